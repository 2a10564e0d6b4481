"""The vault's lists: read through advanced-alchemy, the caller's right in the same transaction."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from uuid import UUID

from advanced_alchemy.filters import LimitOffset, OrderBy
from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from sqlalchemy import text, tuple_
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from application.vault.ports import (
    COUNTED_TO,
    AuditFilter,
    Position,
    PostFilter,
    UserFilter,
    VaultReaderFactory,
)
from domain.audit import AuditEntry
from domain.identity import AccountStatus, Actor, Principal
from domain.posts import Post, PostStatus
from domain.profile import User
from domain.rewards import RewardRate
from infrastructure.postgres import vault_records, vault_users
from infrastructure.postgres.errors import translated
from infrastructure.postgres.rows import actor_of, post_of
from infrastructure.postgres.tables import PostRow

_CALLER = text(
    """
    select private.account_status(:user_id, :session_id) as account_status,
           (select role from public.profiles where id = :user_id) as role,
           exists (select from private.bans where user_id = :user_id) as banned
    """
)
_OPEN = text(
    """
    with profile as (
      insert into public.profiles (id, username, full_name, avatar_url)
      values (:user_id, :username, :full_name, :avatar_url)
      on conflict do nothing
    )
    insert into public.wallets (user_id) values (:user_id) on conflict do nothing
    """
)
# The limit makes it one bounded walk along the index of the queue for each status.
_COUNT = text(
    """
    select s.status, (
      select count(*) from (select from public.posts where validation_status = s.status limit :counted_to) p
    ) as counted
    from unnest(cast(:statuses as text[])) as s (status)
    """
)


class PostRepository(SQLAlchemyAsyncRepository[PostRow]):
    """Posts, for lists."""

    model_type = PostRow


class PostgresVaultReader:
    """The port :class:`application.vault.ports.VaultReader` on the shared database."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def enter(self, session: Principal) -> Actor:
        """See the port: one statement, two for a first-time caller."""
        caller = {"user_id": session.user_id, "session_id": session.session_id}
        row = (await self._session.execute(_CALLER, caller)).one()
        if row.role is None and row.account_status == AccountStatus.ACTIVE:
            await self._session.execute(_OPEN, {"user_id": session.user_id, **asdict(session.display)})
            await self._session.commit()
        return actor_of(session, row.role, row.account_status, banned=row.banned)

    async def posts(self, wanted: PostFilter, *, after: Position | None, limit: int) -> Sequence[Post]:
        """See the port: one statement, along the index of the queue."""
        conditions = [
            column == value
            for column, value in (
                (PostRow.validation_status, wanted.status),
                (PostRow.language, wanted.language),
                (PostRow.kind, wanted.kind),
                (PostRow.author_id, wanted.author_id),
            )
            if value is not None
        ]
        if after is not None:
            conditions.append(tuple_(PostRow.created_at, PostRow.id) > (after.at, after.id))
        rows = await PostRepository(session=self._session).get_many(
            *conditions,
            LimitOffset(limit, 0),
            OrderBy(PostRow.created_at),
            OrderBy(PostRow.id),
        )
        return [post_of(vars(row)) for row in rows]

    async def post(self, post_id: UUID) -> Post | None:
        """See the port: one statement."""
        row = await PostRepository(session=self._session).get_one_or_none(id=post_id)
        return None if row is None else post_of(vars(row))

    async def post_counts(self) -> Mapping[PostStatus, int]:
        """See the port: one statement."""
        wanted = {"statuses": [status.value for status in PostStatus], "counted_to": COUNTED_TO}
        return {PostStatus(row.status): row.counted for row in await self._session.execute(_COUNT, wanted)}

    async def users(self, wanted: UserFilter, *, after: Position | None, limit: int) -> Sequence[User]:
        """See the port: one statement."""
        return await vault_users.page(self._session, wanted, after, limit)

    async def user(self, user_id: UUID) -> User | None:
        """See the port: one statement."""
        return await vault_users.find(self._session, user_id)

    async def reward_rates(self) -> Sequence[RewardRate]:
        """See the port: one statement."""
        return await vault_records.reward_rates(self._session)

    async def audit_log(
        self, wanted: AuditFilter, *, after: Position | None, limit: int
    ) -> Sequence[AuditEntry]:
        """See the port: one statement, along an index for each filter."""
        return await vault_records.audit_page(self._session, wanted, after, limit)


def vault_readers(engine: AsyncEngine) -> VaultReaderFactory:
    """Reading transactions of the vault on *engine*."""

    @asynccontextmanager
    async def open_reader() -> AsyncIterator[PostgresVaultReader]:
        async with translated(), AsyncSession(engine) as session:
            yield PostgresVaultReader(session)

    return open_reader
