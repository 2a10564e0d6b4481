"""The stored idempotency keys, as their clean-up sees them."""

from datetime import timedelta

import asyncpg

from infrastructure.postgres.leases import leased

_FORGET = """
with old as materialized (
  select user_id, key from private.idempotency_keys
  where created_at < now() - $1::interval
  order by created_at
  limit $2
  for update skip locked
), gone as (
  delete from private.idempotency_keys k using old where (k.user_id, k.key) = (old.user_id, old.key)
  returning true
)
select count(*) from gone
"""


class PostgresKeys:
    """The port :class:`application.wallet.forget_keys.Keys` on the shared database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def forget(self, older_than: timedelta, limit: int) -> int:
        """See the port: one statement."""
        async with leased(self._pool) as connection:
            return int(await connection.fetchval(_FORGET, older_than, limit))
