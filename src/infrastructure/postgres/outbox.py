"""The committed events that are owed to the app."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID

import asyncpg

from application.realtime.ports import Backlog, Message, ParkedEvent
from infrastructure.postgres.errors import acquire_connection, map_database_errors

QUERY_S = 3
COUNTED = 100_001

# Never "id above the last seen": ids are taken in another order than transactions commit. Within a topic they are
# in the order of commits, because a wallet or a post is locked before its event takes an id.
_DUE = """
select id, event_id, topic, event, payload::text as payload, attempts
from private.realtime_outbox
where delivered_at is null and parked_at is null
order by id
limit $1
"""
_DELIVERED = """
update private.realtime_outbox
set delivered_at = clock_timestamp(), attempts = attempts + 1, last_error = null, parked_at = null
where id = any ($1::bigint[]) and delivered_at is null
returning extract(epoch from delivered_at - created_at)::float8 as delay
"""
_FAILED = """
update private.realtime_outbox set attempts = attempts + 1, last_error = $2 where id = any ($1::bigint[])
"""
_PARK = """
update private.realtime_outbox
set parked_at = clock_timestamp(), attempts = attempts + 1, last_error = $2
where id = $1 and delivered_at is null
"""
_PARKED = """
select id, event_id, topic, event, attempts, parked_at, coalesce(last_error, '') as why
from private.realtime_outbox where parked_at is not null order by id limit $1
"""
_RETRY = """
update private.realtime_outbox set parked_at = null, attempts = 0
where parked_at is not null and ($1::bigint[] is null or id = any ($1))
returning id
"""
_BACKLOG = """
select (
         select count(*) from (
           select from private.realtime_outbox where delivered_at is null and parked_at is null limit $1
         ) due
       ) as due,
       coalesce((
         select extract(epoch from clock_timestamp() - created_at)
         from private.realtime_outbox where delivered_at is null and parked_at is null order by id limit 1
       ), 0)::float8 as oldest_due_seconds,
       (select count(*) from (select from private.realtime_outbox where parked_at is not null limit $1) p) as parked
"""
_CLEAN_UP = """
with gone as (
  delete from private.realtime_outbox
  where id in (
    select id from private.realtime_outbox
    where delivered_at < clock_timestamp() - $1::interval order by delivered_at limit $2
  )
  returning true
)
select count(*) from gone
"""


@asynccontextmanager
async def in_time(pool: asyncpg.Pool) -> AsyncIterator["asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"]:
    """A connection for three seconds: less than a lease has left when its holder asks for more of it.

    Raises:
        Unavailable: the database does not answer in time.
    """
    async with map_database_errors(), asyncio.timeout(QUERY_S), acquire_connection(pool) as connection:
        yield connection


def _unmeasured(seconds: float) -> None:
    """Measure nothing."""


class PostgresOutbox:
    """The port :class:`application.realtime.ports.Outbox` on the shared database.

    *on_delivered* hears of each event how many seconds after its creation it was settled, by the database's clock.
    """

    def __init__(self, pool: asyncpg.Pool, on_delivered: Callable[[float], None] = _unmeasured) -> None:
        self._pool = pool
        self._on_delivered = on_delivered

    async def due(self, limit: int) -> Sequence[Message]:
        """See the port."""
        async with in_time(self._pool) as connection:
            rows = await connection.fetch(_DUE, limit)
        return [
            Message(
                id=row["id"],
                event_id=UUID(int=row["event_id"].int),
                topic=row["topic"],
                event=row["event"],
                payload=row["payload"],
                attempts=row["attempts"],
            )
            for row in rows
        ]

    async def delivered(self, ids: Collection[int]) -> None:
        """See the port."""
        async with in_time(self._pool) as connection:
            rows = await connection.fetch(_DELIVERED, list(ids))
        for row in rows:
            self._on_delivered(row["delay"])

    async def failed(self, ids: Collection[int], why: str) -> None:
        """See the port."""
        async with in_time(self._pool) as connection:
            await connection.execute(_FAILED, list(ids), _storable(why))

    async def park(self, id: int, why: str) -> None:
        """See the port."""
        async with in_time(self._pool) as connection:
            await connection.execute(_PARK, id, _storable(why))

    async def parked(self, limit: int) -> Sequence[ParkedEvent]:
        """See the port."""
        async with in_time(self._pool) as connection:
            rows = await connection.fetch(_PARKED, limit)
        return [
            ParkedEvent(
                id=row["id"],
                event_id=UUID(int=row["event_id"].int),
                topic=row["topic"],
                event=row["event"],
                attempts=row["attempts"],
                parked_at=row["parked_at"],
                why=row["why"],
            )
            for row in rows
        ]

    async def retry(self, ids: Collection[int] | None) -> Sequence[int]:
        """See the port."""
        async with in_time(self._pool) as connection:
            rows = await connection.fetch(_RETRY, None if ids is None else list(ids))
        return sorted(row["id"] for row in rows)

    async def backlog(self) -> Backlog:
        """See the port."""
        async with in_time(self._pool) as connection:
            row = await connection.fetchrow(_BACKLOG, COUNTED)
        assert row is not None  # noqa: S101 - an aggregate always has its row
        return Backlog(row["due"], row["oldest_due_seconds"], row["parked"])

    async def clean_up(self, older_than: timedelta, limit: int) -> int:
        """See the port."""
        async with in_time(self._pool) as connection:
            return int(await connection.fetchval(_CLEAN_UP, older_than, limit))


def _storable(why: str) -> str:
    """What somebody else's server said, as PostgreSQL can keep it."""
    return why.replace("\x00", "")[:500]
