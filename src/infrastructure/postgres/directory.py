"""All accounts as an operator finds them, over a connection with the rights of Supabase's ``postgres``."""

from uuid import UUID

import asyncpg
import msgspec

from domain.errors import UserNotFound
from infrastructure.postgres.accounts import open_account
from infrastructure.postgres.errors import acquire_connection
from infrastructure.supabase.claims import display_fields

# Auth keeps addresses in lower case; of several accounts with one address (single sign-on) none is meant.
_FIND = """
select id, raw_user_meta_data::text as metadata from auth.users
where deleted_at is null and case when $1::uuid is null then email = lower($2) else id = $1 end
limit 2
"""


class PostgresDirectory:
    """The port :class:`application.vault.users.Directory`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def operator(self) -> str:
        """See the port."""
        async with acquire_connection(self._pool) as connection:
            return str(await connection.fetchval("select session_user"))

    async def find(self, who: UUID | str) -> UUID:
        """See the port."""
        by_id, by_email = (who, None) if isinstance(who, UUID) else (None, who)
        async with acquire_connection(self._pool) as connection:
            rows = await connection.fetch(_FIND, by_id, by_email)
            if not rows:
                raise UserNotFound(f"There is no account {who}.")
            if len(rows) > 1:
                raise UserNotFound(f"Several accounts have the address {who}; name one by its id.")
            user_id = UUID(int=rows[0]["id"].int)
            await open_account(
                connection, user_id, display_fields(msgspec.json.decode(rows[0]["metadata"] or "null"))
            )
        return user_id
