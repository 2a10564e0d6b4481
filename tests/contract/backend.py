"""A backend to try use-cases in, on memory or on Postgres: the same words set the scene and look at what came of it."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID, uuid4

import asyncpg
import msgspec

from application.database import Database as Transacting
from application.encoding import to_json
from application.idempotency import IdempotencyKey, IdempotencyRecord, StoredResponse, fingerprint
from application.ports import PageRequest, Row
from application.profile import Accounts
from application.transactions import Transactions
from application.vault.reading import AuditFilter, ReadVault, VaultReaderFactory
from application.wallet.reading import Wallets
from domain.approvals import LIFETIME, Approval
from domain.audit import AuditAction, AuditEntry, RequestInfo
from domain.errors import NotFound, Refusal
from domain.identity import AccountStatus, Assurance, Ban, DisplayFields, Principal, Role
from domain.money import Money
from domain.policies import Requirements
from domain.posts import Post, PostKind, PostStatus
from domain.rewards import RewardedAction, RewardRate
from domain.wallet import Transaction, TransactionKind, Wallet
from infrastructure.postgres.accounts import OPEN_WITH_BALANCE, PostgresAccounts
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import create_engine, create_pool
from infrastructure.postgres.mappers import post_of, transaction_of, wallet_of
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.queries import TRANSACTION_COLUMNS
from infrastructure.postgres.transactions import PostgresDatabase
from infrastructure.postgres.vault import vault_readers
from infrastructure.postgres.wallets import PostgresWallets
from support.clips import add_post
from support.database import Database
from support.memory.database import MemoryDatabase, StoredKey
from support.memory.readers import MemoryAccounts, MemoryVaultReader, MemoryWallets
from support.memory.transactions import MemoryTransactions

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """What a keyed use-case answered: a result, or the code of a refusal that is given again."""

    result: T
    replayed: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal, as it is replayed."""

    code: str


def key_of(name: str, path: str, body: dict[str, object]) -> IdempotencyKey[Any]:
    """A key, sent with *body* to *path*."""
    return IdempotencyKey(name, fingerprint("POST", path, body), _to_response)


def _to_response(answer: object) -> StoredResponse:
    if isinstance(answer, Refusal):
        return StoredResponse(404 if isinstance(answer, NotFound) else 409, to_json({"code": answer.code}))
    return StoredResponse(202 if isinstance(answer, Approval) else 201, to_json(answer))


def refused(code: str) -> Answer[Any]:
    """A refusal that is given again."""
    return Answer(Refused(code), replayed=True)


def answered(response: StoredResponse, wanted: type[T]) -> Answer[T]:
    """What *response* says, read back."""
    if response.status == 201:
        return Answer(read_json(response.body, wanted), response.replayed)
    return Answer(read_json(response.body, Refused), response.replayed)  # type: ignore[arg-type]


def read_json(text: str | bytes, wanted: type[T]) -> T:
    """Read back what went over the wire."""
    return msgspec.json.decode(text, type=wanted, dec_hook=_decode_money)


def row_as(row: Row, wanted: type[T]) -> T:
    """The domain object that *row* of the wire stands for."""
    return msgspec.convert(row, wanted, dec_hook=_decode_money)


def _decode_money(wanted: type, value: object) -> Any:
    assert wanted is Money
    return Money(Decimal(str(value)))


@dataclass(frozen=True, slots=True)
class OwedEvent:
    """An outbox row, as tests look at it."""

    name: str
    user_id: UUID
    payload: dict[str, object]


def _owner(topic: str) -> UUID:
    return UUID(topic.removeprefix("user:"))


class Backend(Protocol):
    """The ports, and the words."""

    database: Transacting
    accounts: Accounts
    wallets: Wallets
    vault: VaultReaderFactory

    @property
    def transactions(self) -> Transactions:
        """The door of a deployment that wants no second factor."""
        return self.transactions_for(Requirements(Assurance.AAL1))

    def transactions_for(self, requirements: Requirements) -> Transactions:
        """The door of a deployment that wants *requirements*."""
        return Transactions(self.database, uuid4, "USD", requirements)

    @property
    def read_vault(self) -> ReadVault:
        """The way to the vault's lists, of a deployment that wants no second factor."""
        return self.read_vault_for(Requirements(Assurance.AAL1))

    def read_vault_for(self, requirements: Requirements) -> ReadVault:
        """The way to the vault's lists, of a deployment that wants *requirements*."""
        return ReadVault(self.transactions_for(requirements), self.vault)

    async def user(
        self, role: Role = Role.USER, balance: str = "0.00", *, is_anonymous: bool = False
    ) -> Principal:
        """Somebody signed in, with an account and a balance that the ledger explains."""
        ...

    async def newcomer(self, display: DisplayFields = DisplayFields()) -> Principal:  # noqa: B008 - frozen
        """Somebody signed in who never came to the backend."""
        ...

    async def has_account_status(self, session: Principal, account_status: AccountStatus) -> None:
        """From now on the session or its user is revoked, deleted, banned (by us), or active again."""
        ...

    async def post(self, author: Principal, **changes: object) -> Post:
        """A pending post."""
        ...

    async def rate(self, amount: str) -> None:
        """What an approval pays."""
        ...

    async def freeze(self, session: Principal) -> None:
        """From now on nothing leaves the wallet by its owner's hand."""
        ...

    async def expire(self, approval_id: UUID) -> None:
        """Seven days go by for an approval that waits."""
        ...

    async def wallet(self, session: Principal) -> Wallet:
        """The wallet as stored."""
        ...

    async def ledger(self, session: Principal) -> Sequence[Transaction]:
        """The user's transactions, oldest first."""
        ...

    async def entries(self) -> Sequence[tuple[UUID, str, Decimal]]:
        """All entries that stand against wallets' rows: reference, account and amount."""
        ...

    async def owed(self) -> Sequence[OwedEvent]:
        """All events of the outbox, oldest first."""
        ...

    async def role(self, session: Principal) -> Role:
        """The role as stored."""
        ...

    async def banned(self, session: Principal) -> bool:
        """Whether there is a ban of ours."""
        ...

    async def audit(self) -> Sequence[AuditEntry]:
        """All audit rows, oldest first."""
        ...

    async def read_post(self, post_id: UUID) -> Post:
        """The post as stored."""
        ...

    async def has_account(self, principal: Principal) -> bool:
        """Whether there is a profile or a wallet."""
        ...

    async def keys_of(self, principal: Principal) -> Sequence[str]:
        """The idempotency keys that are stored of somebody."""
        ...

    async def add_keys(self, principal: Principal, count: int) -> None:
        """Store *count* keys more of somebody, as if they had just paid."""
        ...

    async def age_keys(self, by: timedelta) -> None:
        """Make every stored key older."""
        ...


def _session(*, is_anonymous: bool = False, display: DisplayFields = DisplayFields()) -> Principal:  # noqa: B008
    return Principal(uuid4(), uuid4(), is_anonymous, display=display)


def _post(author: Principal, changes: dict[str, object]) -> Post:
    made = Post(
        id=uuid4(),
        author_id=author.user_id,
        kind=PostKind.TEXT,
        title="Good morning",
        body="Mwaramutse",
        language="rw",
        dialect=None,
        media_url=None,
        validation_status=PostStatus.PENDING,
        validated_by=None,
        validated_at=None,
        validation_reason=None,
        version=1,
        created_at=datetime.now(UTC),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@dataclass
class MemoryBackend(Backend):
    """The backend in memory."""

    tables: MemoryDatabase = field(default_factory=MemoryDatabase)

    def __post_init__(self) -> None:
        self.database: Transacting = MemoryTransactions(self.tables)
        self.accounts: Accounts = MemoryAccounts(self.tables)
        self.wallets: Wallets = MemoryWallets(self.tables)
        self.vault: VaultReaderFactory = lambda: MemoryVaultReader(self.tables)

    async def user(
        self, role: Role = Role.USER, balance: str = "0.00", *, is_anonymous: bool = False
    ) -> Principal:
        return self.admit(_session(is_anonymous=is_anonymous), role, balance)

    def admit(self, session: Principal, role: Role, balance: str) -> Principal:
        """The same for a session that was made elsewhere."""
        self.tables.open(session)
        self.tables.profiles[session.user_id] = replace(self.tables.profiles[session.user_id], role=role)
        if Decimal(balance):
            opening = Wallet(session.user_id).book(
                TransactionKind.OPENING, Money(Decimal(balance)), id=uuid4(), at=datetime.now(UTC)
            )
            other = opening.other_side()
            assert other is not None
            self.tables.ledger.append(opening)
            self.tables.entries.append(other)
            self.tables.wallets[session.user_id] = Wallet(session.user_id).after(opening)
        return session

    async def newcomer(self, display: DisplayFields = DisplayFields()) -> Principal:  # noqa: B008
        return _session(display=display)

    async def has_account_status(self, session: Principal, account_status: AccountStatus) -> None:
        if account_status is AccountStatus.REVOKED:
            self.tables.revoked_sessions.add(session.session_id)
        elif account_status is AccountStatus.DELETED:
            self.tables.account_statuses[session.user_id] = account_status
        elif account_status is AccountStatus.BANNED:
            user_id = session.user_id
            self.tables.bans[user_id] = Ban(user_id, "test", user_id, datetime.now(UTC))
        else:
            self.tables.bans.pop(session.user_id, None)

    async def post(self, author: Principal, **changes: object) -> Post:
        made = _post(author, changes)
        self.tables.posts[made.id] = made
        return made

    async def rate(self, amount: str) -> None:
        action = RewardedAction.POST_APPROVED
        self.tables.rates[action] = RewardRate(action, Money(Decimal(amount)), datetime.now(UTC))

    async def freeze(self, session: Principal) -> None:
        self.tables.wallets[session.user_id] = replace(self.tables.wallets[session.user_id], frozen=True)

    async def expire(self, approval_id: UUID) -> None:
        waiting = self.tables.approvals[approval_id]
        created_at, expires_at = waiting.created_at - LIFETIME, waiting.expires_at - LIFETIME
        self.tables.approvals[approval_id] = replace(waiting, created_at=created_at, expires_at=expires_at)

    async def wallet(self, session: Principal) -> Wallet:
        return self.tables.wallets[session.user_id]

    async def ledger(self, session: Principal) -> Sequence[Transaction]:
        return [row for row in self.tables.ledger if row.user_id == session.user_id]

    async def entries(self) -> Sequence[tuple[UUID, str, Decimal]]:
        return [
            (entry.reference_id, entry.account.value, entry.amount.amount) for entry in self.tables.entries
        ]

    async def owed(self) -> Sequence[OwedEvent]:
        return [
            OwedEvent(event.NAME, _owner(event.topic), json.loads(to_json(event)))
            for event in self.tables.outbox
        ]

    async def role(self, session: Principal) -> Role:
        return self.tables.profiles[session.user_id].role

    async def banned(self, session: Principal) -> bool:
        return session.user_id in self.tables.bans

    async def audit(self) -> Sequence[AuditEntry]:
        return list(self.tables.audit)

    async def read_post(self, post_id: UUID) -> Post:
        return self.tables.posts[post_id]

    async def has_account(self, principal: Principal) -> bool:
        return principal.user_id in self.tables.profiles or principal.user_id in self.tables.wallets

    async def keys_of(self, principal: Principal) -> Sequence[str]:
        return [name for owner, name in self.tables.keys if owner == principal.user_id]

    async def add_keys(self, principal: Principal, count: int) -> None:
        record = IdempotencyRecord(b"", StoredResponse(201, "{}"))
        for number in range(count):
            self.tables.keys[principal.user_id, f"n{number}"] = StoredKey(record, datetime.now(UTC))

    async def age_keys(self, by: timedelta) -> None:
        for stored in self.tables.keys.values():
            stored.created_at -= by


class PostgresBackend(Backend):
    """The backend on a database of its own, which the platform (a superuser) sets up and looks at."""

    def __init__(
        self,
        platform: "asyncpg.Connection[asyncpg.Record]",
        pool: Pool,
        database: Database,
        adapter: Callable[..., Transacting] = PostgresDatabase,
    ) -> None:
        self._platform = platform
        self._engine = create_engine(database.service)
        self.database: Transacting = adapter(pool, lambda: None)
        self.accounts: Accounts = PostgresAccounts(pool)
        self.wallets: Wallets = PostgresWallets(pool)
        self.vault: VaultReaderFactory = vault_readers(self._engine)

    async def dispose(self) -> None:
        await self._engine.dispose()

    async def _sign_in(self, session: Principal) -> Principal:
        await self._platform.execute(
            "insert into auth.users (id, email, is_anonymous) values ($1, $2, $3)",
            session.user_id,
            None if session.is_anonymous else f"{session.user_id}@lingualink.test",
            session.is_anonymous,
        )
        await self._platform.execute(
            "insert into auth.sessions (id, user_id) values ($1, $2)", session.session_id, session.user_id
        )
        return session

    async def user(
        self, role: Role = Role.USER, balance: str = "0.00", *, is_anonymous: bool = False
    ) -> Principal:
        session = await self._sign_in(_session(is_anonymous=is_anonymous))
        await self._platform.execute(
            "insert into public.profiles (id, role) values ($1::uuid, $2)", session.user_id, role
        )
        await self._platform.execute("insert into public.wallets (user_id) values ($1)", session.user_id)
        await self._platform.execute(OPEN_WITH_BALANCE, session.user_id, Decimal(balance))
        return session

    async def newcomer(self, display: DisplayFields = DisplayFields()) -> Principal:  # noqa: B008
        return await self._sign_in(_session(display=display))

    async def has_account_status(self, session: Principal, account_status: AccountStatus) -> None:
        user_id = session.user_id
        if account_status is AccountStatus.REVOKED:
            await self._platform.execute("delete from auth.sessions where id = $1", session.session_id)
        elif account_status is AccountStatus.DELETED:
            await self._platform.execute("delete from auth.users where id = $1", user_id)
        elif account_status is AccountStatus.BANNED:
            await self._platform.execute(
                "insert into private.bans (user_id, reason, banned_by) values ($1, 'test', $1) on conflict do nothing",
                user_id,
            )
        else:
            await self._platform.execute("delete from private.bans where user_id = $1", user_id)

    async def post(self, author: Principal, **changes: object) -> Post:
        made = _post(author, changes)
        await add_post(
            self._platform,
            id=made.id,
            author_id=made.author_id,
            kind=made.kind,
            title=made.title,
            body=made.body,
            language=made.language,
            validation_status=made.validation_status,
            created_at=made.created_at,
        )
        return await self.read_post(made.id)

    async def rate(self, amount: str) -> None:
        await self._platform.execute(
            """
            insert into private.reward_rates (action, amount) values ('post_approved', $1)
            on conflict (action) do update set amount = excluded.amount
            """,
            Decimal(amount),
        )

    async def freeze(self, session: Principal) -> None:
        await self._platform.execute(
            "update public.wallets set frozen = true where user_id = $1", session.user_id
        )

    async def expire(self, approval_id: UUID) -> None:
        await self._platform.execute(
            "update private.approvals set created_at = created_at - $2::interval, "
            "expires_at = expires_at - $2::interval where id = $1",
            approval_id,
            LIFETIME,
        )

    async def wallet(self, session: Principal) -> Wallet:
        row = await self._platform.fetchrow(
            "select * from public.wallets where user_id = $1", session.user_id
        )
        assert row is not None
        return wallet_of(row, session.user_id)

    async def ledger(self, session: Principal) -> Sequence[Transaction]:
        rows = await self._platform.fetch(
            f"select {TRANSACTION_COLUMNS} from public.wallet_transactions where user_id = $1 order by version",
            session.user_id,
        )
        return [transaction_of(row) for row in rows]

    async def entries(self) -> Sequence[tuple[UUID, str, Decimal]]:
        rows = await self._platform.fetch("select reference_id, account, amount from private.ledger_entries")
        return [(row["reference_id"], row["account"], row["amount"]) for row in rows]

    async def owed(self) -> Sequence[OwedEvent]:
        rows = await self._platform.fetch(
            "select event, topic, payload from private.realtime_outbox order by id"
        )
        return [OwedEvent(row["event"], _owner(row["topic"]), json.loads(row["payload"])) for row in rows]

    async def role(self, session: Principal) -> Role:
        role = await self._platform.fetchval(
            "select role from public.profiles where id::uuid = $1", session.user_id
        )
        return Role(role)

    async def banned(self, session: Principal) -> bool:
        banned = "select exists (select from private.bans where user_id = $1)"
        return bool(await self._platform.fetchval(banned, session.user_id))

    async def audit(self) -> Sequence[AuditEntry]:
        async with self.vault() as reader:
            rows = await reader.audit_log(AuditFilter(), PageRequest(1_000_000))
        return [_entry(row) for row in reversed(rows)]

    async def read_post(self, post_id: UUID) -> Post:
        row = await self._platform.fetchrow("select * from private.posts where id = $1", post_id)
        assert row is not None
        return post_of(row)

    async def has_account(self, principal: Principal) -> bool:
        found = """
            select exists (select from public.profiles where id::uuid = $1)
              or exists (select from public.wallets where user_id = $1)
        """
        return bool(await self._platform.fetchval(found, principal.user_id))

    async def keys_of(self, principal: Principal) -> Sequence[str]:
        stored = "select key from private.idempotency_keys where user_id = $1"
        return [row["key"] for row in await self._platform.fetch(stored, principal.user_id)]

    async def add_keys(self, principal: Principal, count: int) -> None:
        await self._platform.execute(
            """
            insert into private.idempotency_keys (user_id, key, fingerprint, status, body)
            select $1, 'n' || n, '', 201, '{}' from generate_series(1, $2) n
            """,
            principal.user_id,
            count,
        )

    async def age_keys(self, by: timedelta) -> None:
        await self._platform.execute(
            "update private.idempotency_keys set created_at = created_at - $1::interval", by
        )


def _entry(row: Row) -> AuditEntry:
    request = RequestInfo(row.pop("request_id"), row.pop("client_address"))
    return AuditEntry(**{**row, "action": AuditAction(row["action"])}, request=request)


@asynccontextmanager
async def postgres_backend(
    database: Database,
    adapter: Callable[..., Transacting] = PostgresDatabase,
    service: DatabaseAddress | None = None,
) -> AsyncIterator[PostgresBackend]:
    """A backend on *database*, as the service's own role; *service* is another way to it."""
    platform = await asyncpg.connect(database.superuser_url)
    try:
        async with create_pool(database.service if service is None else service, 10) as pool:
            backend = PostgresBackend(platform, pool, database, adapter)
            yield backend
            await backend.dispose()
    finally:
        await platform.close()
