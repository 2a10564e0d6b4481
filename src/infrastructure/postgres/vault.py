"""The vault's lists: read through advanced-alchemy, each statement by itself on a connection of its own pool."""

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from advanced_alchemy.filters import LimitOffset, OrderBy
from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from sqlalchemy import ColumnElement, Uuid, cast, func, or_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession
from sqlalchemy.orm import DeclarativeBase

from application.ports import PageRequest, Position, Row
from application.vault.reading import COUNTED_TO, AuditFilter, PostFilter, UserFilter, VaultReaderFactory
from domain.approvals import LIFETIME, ApprovalStatus
from domain.identity import AccountStatus, Actor, Principal, Role, User
from domain.posts import PostStatus
from domain.withdrawals import WithdrawalStatus
from infrastructure.postgres.accounts import open_account
from infrastructure.postgres.books import CALLER_AND_BOOKS
from infrastructure.postgres.connections import LIST_CONNECTIONS
from infrastructure.postgres.mappers import actor_of, user_of, wire_row
from infrastructure.postgres.pool import DEADLINE_S, map_database_errors
from infrastructure.postgres.queries import READ_CALLER
from infrastructure.postgres.tables import (
    ApprovalRow,
    AuditRow,
    BanRow,
    PostView,
    ProfileRow,
    RewardRateRow,
    WalletRow,
    WithdrawalRow,
)

# The limit makes it one bounded walk along the index of the queue for each status.
_COUNT = text(
    """
    select s.status, (
      select count(*) from (select from private.posts where validation_status = s.status limit :counted_to) p
    ) as counted
    from unnest(cast(:statuses as text[])) as s (status)
    """
)
LIST_DEADLINE_S: Final = DEADLINE_S - 0.25
_ID: Final = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_PLAN_ANEW: Final = text("set local plan_cache_mode = force_custom_plan")
_LAST: Final = "\U0010ffff"
# An adopted database may keep it as text (see queries.py).
_user_id: Final = cast(ProfileRow.id, Uuid)


class _Repository(SQLAlchemyAsyncRepository[Any]):
    """The rows of one model, for lists."""

    def __init__(self, model: type[DeclarativeBase], session: AsyncSession) -> None:
        self.model_type = model
        super().__init__(session=session)


class PostgresVaultReader:
    """The port :class:`application.vault.reading.VaultReader` on the shared database: one statement each."""

    def __init__(self, connection: AsyncConnection, session: AsyncSession) -> None:
        self._connection = connection
        self._session = session

    async def enter(self, principal: Principal) -> Actor:
        """See the port: one statement, two for a first-time caller."""
        connection = await driver_of(self._connection)
        row = await connection.fetchrow(READ_CALLER, principal.user_id, principal.session_id)
        return await _actor(connection, principal, row)

    async def posts(self, wanted: PostFilter, page: PageRequest[Position]) -> Sequence[Row]:
        """See the port: along the index of the queue."""
        conditions = _equal(
            (PostView.validation_status, wanted.status),
            (PostView.language, wanted.language),
            (PostView.kind, wanted.kind),
            (PostView.author_id, wanted.author_id),
        )
        keyset = _keyset(PostView.created_at, PostView.id, page)
        return await self._rows(PostView, *conditions, *keyset)

    async def post(self, post_id: UUID) -> Row | None:
        """See the port."""
        found = await self._rows(PostView, PostView.id == post_id)
        return found[0] if found else None

    async def post_counts(self) -> Row:
        """See the port."""
        wanted = {"statuses": [status.value for status in PostStatus], "counted_to": COUNTED_TO}
        rows = await self._connection.execute(_COUNT, wanted)
        return {row.status: row.counted for row in rows}

    async def users(self, wanted: UserFilter, page: PageRequest[Position]) -> Sequence[User]:
        """See the port; a search costs three statements more.

        Many matches are met soon along the index of the order, few are found through the indexes of the names: the
        planner knows which from its statistics, if it plans for this very prefix.
        """
        statement = _users().order_by(ProfileRow.created_at.desc(), _user_id.desc()).limit(page.read_limit)
        if page.after is not None:
            statement = statement.where(
                tuple_(ProfileRow.created_at, _user_id) < (page.after.at, page.after.id)
            )
        if not wanted.query:
            return [user_of(row) for row in (await self._connection.execute(statement)).mappings()]
        connection = await driver_of(self._connection)
        async with connection.transaction():
            await self._connection.execute(_PLAN_ANEW)
            rows = await self._connection.execute(statement.where(_matches(wanted.query)))
            return [user_of(row) for row in rows.mappings()]

    async def user(self, user_id: UUID) -> User | None:
        """See the port."""
        rows = await self._connection.execute(_users().where(_user_id == user_id))
        row = rows.mappings().one_or_none()
        return None if row is None else user_of(row)

    async def reward_rates(self) -> Sequence[Row]:
        """See the port."""
        return await self._rows(RewardRateRow, OrderBy(RewardRateRow.action), money=("amount",))

    async def approvals(self, status: ApprovalStatus, page: PageRequest[Position]) -> Sequence[Row]:
        """See the port: along the index of the queue, from where nothing has expired yet."""
        is_over = ApprovalRow.expires_at <= func.now()
        conditions = _equal((ApprovalRow.status, status))
        if status is ApprovalStatus.WAITING:
            conditions += [~is_over, ApprovalRow.created_at > func.now() - LIFETIME]
        elif status is ApprovalStatus.EXPIRED:  # nobody writes that down, unless it is asked for anew
            conditions = [or_(*conditions, is_over & (ApprovalRow.status == ApprovalStatus.WAITING))]
        keyset = _keyset(ApprovalRow.created_at, ApprovalRow.id, page)
        rows = await self._rows(ApprovalRow, *conditions, *keyset)
        return [{**row, "status": status} for row in rows]

    async def books(
        self, principal: Principal, roles: Iterable[Role], at: datetime | None
    ) -> tuple[Actor, Sequence[Row]]:
        """See the port."""
        connection = await driver_of(self._connection)
        asked = (principal.user_id, principal.session_id, list(roles), at)
        rows = await connection.fetch(CALLER_AND_BOOKS, *asked)
        actor = await _actor(connection, principal, rows[0])
        accounts = ({"account": row["account"], "total": row["total"]} for row in rows if row["account"])
        return actor, [wire_row(row, ("total",)) for row in accounts]

    async def audit_log(self, wanted: AuditFilter, page: PageRequest[Position]) -> Sequence[Row]:
        """See the port: along an index for each filter."""
        conditions = _equal(
            (AuditRow.actor_id, wanted.actor_id),
            (AuditRow.target_id, wanted.target_id),
            (AuditRow.action, wanted.action),
        )
        keyset = _keyset(AuditRow.occurred_at, AuditRow.id, page, newest_first=True)
        return await self._rows(AuditRow, *conditions, *keyset)

    async def withdrawals(
        self, status: WithdrawalStatus | None, page: PageRequest[Position]
    ) -> Sequence[Row]:
        """See the port: along the index of the queue."""
        conditions = _equal((WithdrawalRow.status, status))
        keyset = _keyset(WithdrawalRow.created_at, WithdrawalRow.id, page)
        return await self._rows(WithdrawalRow, *conditions, *keyset, money=("amount",))

    async def _rows(
        self, model: type[DeclarativeBase], *wanted: Any, money: Collection[str] = ()
    ) -> Sequence[Row]:
        """What *wanted* says of *model*, as it goes to the wire."""
        columns = [column.key for column in model.__table__.columns]
        entities = await _Repository(model, self._session).get_many(*wanted)
        return [wire_row({name: getattr(one, name) for name in columns}, money) for one in entities]


def vault_readers(engine: AsyncEngine) -> VaultReaderFactory:
    """Readers of the vault on *engine*, which must commit each statement by itself; who came first reads first."""
    turns = asyncio.Semaphore(LIST_CONNECTIONS)  # as in pool.Pool: the engine's queue lets others pass, too

    @asynccontextmanager
    async def open_reader() -> AsyncIterator[PostgresVaultReader]:
        loop = asyncio.get_running_loop()
        ends = loop.time() + LIST_DEADLINE_S
        async with map_database_errors(), turns, engine.connect() as connection:
            # Cut off, not cancelled: SQLAlchemy would ask a server that does not answer to close in peace.
            cut = loop.call_at(ends, (await driver_of(connection)).terminate)
            try:
                async with AsyncSession(connection) as session:
                    yield PostgresVaultReader(connection, session)
            finally:
                cut.cancel()

    return open_reader


async def driver_of(connection: AsyncConnection) -> Any:
    """The driver's own connection."""
    return (await connection.get_raw_connection()).driver_connection


async def _actor(connection: Any, principal: Principal, row: Any) -> Actor:
    if row["caller_role"] is None and row["caller_status"] == AccountStatus.ACTIVE:
        await open_account(connection, principal.user_id, principal.display)
    return actor_of(principal, row)


def _keyset(time: Any, id: Any, page: PageRequest[Position], *, newest_first: bool = False) -> list[Any]:
    """Condition, length and order of *page* in a list by *time* and *id*."""
    beyond = []
    if page.after is not None:
        place, end = tuple_(time, id), (page.after.at, page.after.id)
        beyond = [place < end if newest_first else place > end]
    direction: Literal["asc", "desc"] = "desc" if newest_first else "asc"
    order = (OrderBy(time, direction), OrderBy(id, direction))
    return [*beyond, LimitOffset(page.read_limit, 0), *order]


def _equal(*wanted: tuple[Any, object]) -> list[ColumnElement[bool]]:
    return [column == value for column, value in wanted if value is not None]


def _users() -> Any:
    return (
        select(
            *(_user_id.label("id"), ProfileRow.username, ProfileRow.full_name, ProfileRow.avatar_url),
            *(ProfileRow.role, ProfileRow.created_at),
            *(BanRow.reason, BanRow.banned_by, BanRow.banned_at),
            WalletRow.balance,
            func.private.account_status(_user_id, None).label("account_status"),
        )
        .outerjoin(BanRow, BanRow.user_id == _user_id)
        .outerjoin(WalletRow, WalletRow.user_id == _user_id)
    )


def _matches(query: str) -> ColumnElement[bool]:
    ways = [_begins(ProfileRow.username, query), _begins(ProfileRow.full_name, query)]
    if _ID.fullmatch(query):
        ways.append(_user_id == UUID(query))
    return or_(*ways)


def _begins(column: Any, prefix: str) -> ColumnElement[bool]:
    """Whether a column begins with *prefix*, in any case: a range of bytes, so there are no wildcards to escape."""
    name = func.lower(column)
    return name.op("~>=~")(func.lower(prefix)) & name.op("~<~")(func.lower(prefix + _LAST))
