"""Profiles with their wallets."""

from typing import Any
from uuid import UUID

import asyncpg

from domain.identity import Principal, Role
from domain.money import Money
from domain.profile import Account
from infrastructure.postgres.leases import leased

_FIND = """
select p.id, p.username, p.full_name, p.avatar_url, p.role, w.balance,
       exists (select from private.bans b where b.user_id = p.id) as banned
from public.profiles p join public.wallets w on w.user_id = p.id
where p.id = $1
"""
_OPEN = """
with profile as (
  insert into public.profiles (id, username, full_name, avatar_url) values ($1, $2, $3, $4)
  on conflict do nothing
)
insert into public.wallets (user_id) values ($1) on conflict do nothing
"""


async def open_account(connection: Any, session: Principal) -> None:
    """Make the session's profile and wallet on *connection* where they are missing."""
    display = session.display
    await connection.execute(_OPEN, session.user_id, display.username, display.full_name, display.avatar_url)


class PostgresAccounts:
    """The port :class:`application.profile.ports.Accounts` on the shared database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def find(self, user_id: UUID) -> Account | None:
        """See the port."""
        async with leased(self._pool) as connection:
            row = await connection.fetchrow(_FIND, user_id)
        if row is None:
            return None
        return Account(
            id=user_id,
            username=row["username"],
            full_name=row["full_name"],
            avatar_url=row["avatar_url"],
            role=Role(row["role"]),
            balance=Money(row["balance"]),
            banned=row["banned"],
        )

    async def open(self, session: Principal) -> None:
        """See the port."""
        async with leased(self._pool) as connection:
            await open_account(connection, session)
