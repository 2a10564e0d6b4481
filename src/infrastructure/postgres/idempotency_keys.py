"""The stored idempotency keys, as their clean-up sees them."""

import asyncpg

from application.idempotency import IDEMPOTENCY_KEY_TTL, NOT_FOUND_KEY_TTL
from infrastructure.postgres.errors import acquire_connection

_PURGE = """
with old as materialized (
  select user_id, key from private.idempotency_keys
  where created_at < now() - $1::interval
  order by created_at limit $3 for update skip locked
), not_found as materialized (
  select user_id, key from private.idempotency_keys
  where status = 404 and created_at between now() - $1::interval and now() - $2::interval
  order by created_at limit $3 for update skip locked
), gone as (
  delete from private.idempotency_keys k
  using (select * from old union all select * from not_found limit $3) o
  where (k.user_id, k.key) = (o.user_id, o.key)
  returning true
)
select count(*) from gone
"""


class PostgresIdempotencyKeys:
    """The port :class:`application.idempotency.IdempotencyKeys` on the shared database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def purge(self, limit: int) -> int:
        """See the port: one statement."""
        async with acquire_connection(self._pool) as connection:
            arguments = (IDEMPOTENCY_KEY_TTL, NOT_FOUND_KEY_TTL, limit)
            return int(await connection.fetchval(_PURGE, *arguments))
