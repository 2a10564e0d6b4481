"""Profiles with their wallets: found, and made where they are missing."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from application.ports import Row
from domain.errors import SessionRevoked, Unavailable
from domain.identity import DisplayFields, Principal
from infrastructure.postgres.errors import acquire_connection, domain_error
from infrastructure.postgres.mappers import wire_row
from infrastructure.postgres.shared_reads import SharedReads

_FIND = """
select p.id::uuid as id, p.username, p.full_name, p.avatar_url, p.role, w.balance,
       exists (select from private.bans b where b.user_id = p.id::uuid) as banned
from public.profiles p join public.wallets w on w.user_id = p.id::uuid
where p.id::uuid = any ($1::uuid[]) and private.account_status(p.id::uuid, null) <> 'deleted'
"""
# Nothing is inserted for whom there is already: a column that the app added and this service does not know can't
# break those who have a profile. And nothing for the dead, however long their tokens live.
_OPEN = """
with account as materialized (
  select private.account_status($1, null) as status
), profile as (
  insert into public.profiles (id, username, full_name, avatar_url)
  select $1, $2, $3, $4 from account
  where status <> 'deleted' and not exists (select from public.profiles where id::uuid = $1)
  on conflict (id) do nothing
), wallet as (
  insert into public.wallets (user_id) select $1 from account where status <> 'deleted' on conflict do nothing
)
select status from account
"""

log = structlog.get_logger(__name__)


async def open_account(connection: Any, user_id: UUID, display: DisplayFields) -> None:
    """Make a profile and a wallet on *connection* where they are missing: one statement, two where names are refused.

    What a user is called decides nothing, so an account is made without it where the app's constraints (a unique
    username, a length) refuse it.

    Raises:
        SessionRevoked: the user is deleted; nothing was made.
        Unavailable: the app's tables take no account at all; the log says which column or constraint.
    """
    fields = (display.username, display.full_name, display.avatar_url)
    try:
        status = await connection.fetchval(_OPEN, user_id, *fields)
    except asyncpg.PostgresError as error:
        if domain_error(error) is not None:
            raise
        status = await _open_without_names(connection, user_id, error, named=any(fields))
    if status == "deleted":
        raise SessionRevoked


async def _open_without_names(
    connection: Any, user_id: UUID, refused: asyncpg.PostgresError, *, named: bool
) -> Any:
    if named:
        try:
            return await connection.fetchval(_OPEN, user_id, None, None, None)
        except asyncpg.PostgresError as error:
            if domain_error(error) is not None:
                raise
            refused = error
    where = (getattr(refused, name, None) for name in ("table_name", "column_name", "constraint_name"))
    _tell(refused.sqlstate, *where)
    raise Unavailable from refused


@lru_cache(maxsize=32)
def _tell(state: str | None, table: str | None, column: str | None, constraint: str | None) -> None:
    """Say it once, not with every request: the app's own schema takes no new account."""
    log.error("account.refused", sqlstate=state, table=table, column=column, constraint=constraint)


class PostgresAccounts:
    """The port :class:`application.profile.reading.Accounts` on the shared database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._found = SharedReads(self._find)

    async def find(self, user_id: UUID) -> Row | None:
        """See the port."""
        return await self._found.get(user_id)

    async def _find(self, user_ids: Sequence[UUID]) -> dict[UUID, Row]:
        async with acquire_connection(self._pool) as connection:
            rows = await connection.fetch(_FIND, user_ids)
        return {row["id"]: wire_row(row, ("balance",)) for row in rows}

    async def open(self, principal: Principal) -> None:
        """See the port."""
        async with acquire_connection(self._pool) as connection:
            await open_account(connection, principal.user_id, principal.display)
