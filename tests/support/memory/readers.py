"""Reading in memory: accounts, wallets, and the vault's lists."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from decimal import Decimal
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID

from application.ports import PageRequest, Position, Row
from application.vault.reading import COUNTED_TO, AuditFilter, PostFilter, UserFilter
from application.wallet.reading import TransactionFilter
from domain.approvals import ApprovalStatus
from domain.audit import AuditEntry
from domain.errors import SessionRevoked
from domain.identity import AccountStatus, Actor, Principal, Role, User
from domain.ledger import Account
from domain.money import NOTHING, ZERO, Money, money_text
from domain.posts import PostStatus
from domain.wallet import Transaction
from domain.withdrawals import Withdrawal, WithdrawalStatus
from support.memory.database import MemoryDatabase

T = TypeVar("T")


def _row(entity: Any) -> Row:
    """An entity as it goes to the wire: money is text."""
    row: Row = {
        name: str(value) if isinstance(value, Money) else value for name, value in asdict(entity).items()
    }
    if isinstance(entity, AuditEntry):
        row |= row.pop("request")
    return row


class MemoryAccounts:
    """The port :class:`application.profile.Accounts`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def find(self, user_id: UUID) -> Row | None:
        """See the port."""
        user = self._database.user(user_id)
        if user is None or user.deleted:
            return None
        names = ("id", "username", "full_name", "avatar_url", "role", "banned")
        return {"balance": str(user.balance), **{name: getattr(user, name) for name in names}}

    async def open(self, principal: Principal) -> None:
        """See the port."""
        self._database.open(principal)


class MemoryWallets:
    """The port :class:`application.wallet.reading.Wallets`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def wallet(self, principal: Principal) -> Row | None:
        """See the port."""
        self._living(principal)
        wallet = self._database.wallets.get(principal.user_id)
        if wallet is None:
            return None
        balance = str(wallet.balance)
        return {"user_id": wallet.user_id, "balance": balance, "version": wallet.version, "epoch": 1}

    async def wallet_at(self, principal: Principal, at: datetime) -> Row:
        """See the port."""
        self._living(principal)
        rows = self._rows(principal, lambda row: row.created_at <= at)
        balance, version = (rows[-1].balance_after, rows[-1].version) if rows else (ZERO, 0)
        return {"user_id": principal.user_id, "balance": str(balance), "version": version, "epoch": 1}

    async def statement(
        self, principal: Principal, since: datetime, until: datetime, *, limit: int
    ) -> tuple[Decimal, Sequence[Row]]:
        """See the port."""
        self._living(principal)
        before = self._rows(principal, lambda row: row.created_at < since)
        rows = self._rows(principal, lambda row: since <= row.created_at < until)
        opening = before[-1].balance_after if before else ZERO
        return opening.amount, [_row(row) for row in rows[:limit]]

    def _rows(self, principal: Principal, wanted: Callable[[Transaction], bool]) -> list[Transaction]:
        return [row for row in self._database.ledger if row.user_id == principal.user_id and wanted(row)]

    async def transactions(
        self, principal: Principal, wanted: TransactionFilter, page: PageRequest[int]
    ) -> tuple[Sequence[Row], int | None]:
        """See the port."""
        self._living(principal)
        rows = [
            row
            for row in self._database.ledger
            if row.user_id == principal.user_id
            and (page.after is None or row.version < page.after)
            and wanted.kind in {None, row.kind}
            and (wanted.since is None or row.created_at >= wanted.since)
            and (wanted.until is None or row.created_at < wanted.until)
        ]
        return [_row(row) for row in sorted(rows, key=lambda row: -row.version)[: page.read_limit]], None

    async def withdrawals(
        self, principal: Principal, status: WithdrawalStatus | None, page: PageRequest[Position]
    ) -> Sequence[Row]:
        """See the port."""
        self._living(principal)
        own = [row for row in _withdrawals(self._database, status) if row.user_id == principal.user_id]
        return [_row(row) for row in _page(own, lambda row: (row.created_at, row.id), page)]

    def _living(self, principal: Principal) -> None:
        if self._database.account_status(principal.user_id) is AccountStatus.DELETED:
            raise SessionRevoked


class MemoryVaultReader:
    """The port :class:`application.vault.reading.VaultReader`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held."""

    async def enter(self, principal: Principal) -> Actor:
        """See the port."""
        return self._database.actor(principal)

    async def posts(self, wanted: PostFilter, page: PageRequest[Position]) -> Sequence[Row]:
        """See the port."""
        rows = [
            post
            for post in self._database.posts.values()
            if wanted.status in {None, post.validation_status}
            and wanted.language in {None, post.language}
            and wanted.kind in {None, post.kind}
            and wanted.author_id in {None, post.author_id}
        ]
        found = _page(rows, lambda post: (post.created_at, post.id), page, newest_first=False)
        return [_row(post) for post in found]

    async def post(self, post_id: UUID) -> Row | None:
        """See the port."""
        post = self._database.posts.get(post_id)
        return None if post is None else _row(post)

    async def post_counts(self) -> Row:
        """See the port."""
        found = [post.validation_status for post in self._database.posts.values()]
        return {status.value: min(found.count(status), COUNTED_TO) for status in PostStatus}

    async def users(self, wanted: UserFilter, page: PageRequest[Position]) -> Sequence[User]:
        """See the port."""
        everybody = filter(None, map(self._database.user, self._database.profiles))
        rows = [user for user in everybody if _matches(user, wanted.query)]
        return _page(rows, lambda user: (user.created_at, user.id), page)

    async def user(self, user_id: UUID) -> User | None:
        """See the port."""
        return self._database.user(user_id)

    async def reward_rates(self) -> Sequence[Row]:
        """See the port."""
        return [_row(rate) for rate in sorted(self._database.rates.values(), key=lambda rate: rate.action)]

    async def approvals(self, status: ApprovalStatus, page: PageRequest[Position]) -> Sequence[Row]:
        """See the port."""
        now, waiting = datetime.now(UTC), ApprovalStatus.WAITING
        told = (
            replace(row, status=ApprovalStatus.EXPIRED)
            if row.status is waiting and not row.is_waiting(now)
            else row
            for row in self._database.approvals.values()
        )
        rows = [row for row in told if row.status is status]
        found = _page(rows, lambda row: (row.created_at, row.id), page, newest_first=False)
        return [_row(row) for row in found]

    async def books(
        self, principal: Principal, roles: Iterable[Role], at: datetime | None
    ) -> tuple[Actor, Sequence[Row]]:
        """See the port."""
        actor = self._database.actor(principal)
        return actor, self._books(at) if actor.role in roles else []

    def _books(self, at: datetime | None) -> Sequence[Row]:
        moved = [("wallets", row.amount, row.created_at) for row in self._database.ledger]
        moved += [(row.account.value, row.amount, row.created_at) for row in self._database.entries]
        totals = {account: Decimal(0) for account in ("wallets", *Account)}
        for account, amount, made in moved:
            if at is None or made <= at:
                totals[account] += amount.amount
        return [
            {"account": str(account), "total": money_text(NOTHING + total)}
            for account, total in totals.items()
        ]

    async def audit_log(self, wanted: AuditFilter, page: PageRequest[Position]) -> Sequence[Row]:
        """See the port."""
        rows = [
            entry
            for entry in self._database.audit
            if wanted.actor_id in {None, entry.actor_id}
            and wanted.target_id in {None, entry.target_id}
            and wanted.action in {None, entry.action}
        ]
        return [_row(row) for row in _page(rows, lambda row: (row.occurred_at, row.id), page)]

    async def withdrawals(
        self, status: WithdrawalStatus | None, page: PageRequest[Position]
    ) -> Sequence[Row]:
        """See the port."""
        rows = _withdrawals(self._database, status)
        found = _page(rows, lambda row: (row.created_at, row.id), page, newest_first=False)
        return [_row(row) for row in found]


def _withdrawals(database: MemoryDatabase, status: WithdrawalStatus | None) -> list[Withdrawal]:
    return [row for row in database.withdrawals.values() if status in {None, row.status}]


def _matches(user: User, query: str | None) -> bool:
    if not query:
        return True
    names = [name.lower() for name in (user.username, user.full_name) if name]
    return query == str(user.id) or any(name.startswith(query.lower()) for name in names)


def _page(
    rows: Sequence[T],
    key: Callable[[T], tuple[datetime, UUID]],
    page: PageRequest[Position],
    *,
    newest_first: bool = True,
) -> Sequence[T]:
    """The rows of *page*, and one more, in the list's order."""
    ordered = sorted(rows, key=key, reverse=newest_first)
    if page.after is not None:
        end = (page.after.at, page.after.id)
        ordered = [row for row in ordered if (key(row) < end if newest_first else key(row) > end)]
    return ordered[: page.read_limit]
