"""The committed events that the app has yet to hear."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

import asyncpg
import structlog

from application.realtime.ports import Backlog, DeadLetter, Message
from domain.audit import AuditAction
from infrastructure.postgres.pool import Pool, acquire_connection

QUERY_S = 3
COUNTED = 100_001
LOOKED_AT = 10_000

log = structlog.get_logger(__name__)

# Never "id above the last seen": ids are taken in another order than transactions commit. Within a topic they are
# in the order of commits, because a wallet or a post is locked before its event takes an id. What is passed over is
# looked for among the oldest only, so that a million rows of busy topics cost no more than ten thousand.
_PENDING = f"""
select id, event_id, topic, event, payload::text as payload, attempts
from (
  select * from private.realtime_outbox
  where delivered_at is null and dead_lettered_at is null
  order by id
  limit {LOOKED_AT}
) oldest
where topic <> all ($2::text[])
order by id
limit $1
"""  # noqa: S608 - a number of ours
_DELIVERED = """
update private.realtime_outbox
set delivered_at = clock_timestamp(), attempts = attempts + 1, last_error = null, dead_lettered_at = null
where id = any ($1::bigint[]) and delivered_at is null and dropped_at is null
returning extract(epoch from delivered_at - created_at)::float8 as delay
"""
_FAILED = """
update private.realtime_outbox set attempts = attempts + 1, last_error = $2 where id = any ($1::bigint[])
"""
_DEAD_LETTER = """
update private.realtime_outbox
set dead_lettered_at = clock_timestamp(), attempts = attempts + 1, last_error = $2
where id = $1 and delivered_at is null
returning event_id, topic
"""
_DEAD_LETTERS = """
select id, event_id, topic, event, attempts, dead_lettered_at, coalesce(last_error, '') as why
from private.realtime_outbox where dead_lettered_at is not null and dropped_at is null order by id limit $1
"""
_RETRY = """
update private.realtime_outbox set dead_lettered_at = null, attempts = 0
where dead_lettered_at is not null and dropped_at is null and ($1::bigint[] is null or id = any ($1))
returning id
"""
# By an operator: the service has no right to it. What is dropped keeps its row, and is told to nobody.
_DROP = """
with dropped as (
  update private.realtime_outbox
  set dropped_at = clock_timestamp(), dead_lettered_at = coalesce(dead_lettered_at, clock_timestamp())
  where id = $1 and delivered_at is null and dropped_at is null
  returning id, event_id, topic, event
), recorded as (
  insert into private.audit_log (id, operator, action, target_id, before, after, reason, request_id, occurred_at)
  select gen_random_uuid(), session_user, $3, event_id,
         jsonb_build_object('id', id, 'topic', topic, 'event', event), '{}', $2, 'lingualink outbox drop',
         clock_timestamp()
  from dropped
)
select count(*) from dropped
"""
_BACKLOG = """
select (
         select count(*) from (
           select from private.realtime_outbox where delivered_at is null and dead_lettered_at is null limit $1
         ) p
       ) as pending,
       coalesce((
         select extract(epoch from clock_timestamp() - created_at)
         from private.realtime_outbox where delivered_at is null and dead_lettered_at is null order by id limit 1
       ), 0)::float8 as oldest_pending_seconds,
       (
         select count(*) from (
           select from private.realtime_outbox where dead_lettered_at is not null and dropped_at is null limit $1
         ) d
       ) as dead_lettered
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


def in_time(
    pool: Pool,
) -> AbstractAsyncContextManager["asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"]:
    """A connection for three seconds: less than a lease has left when its holder asks for more of it.

    Raises:
        Unavailable: the database does not answer in time.
    """
    return acquire_connection(pool, QUERY_S)


def _unmeasured(seconds: float) -> None:
    """Measure nothing."""


class PostgresOutbox:
    """The port :class:`application.realtime.ports.Outbox` on the shared database.

    *on_delivered* hears of each event how many seconds after its creation it was settled, by the database's clock.
    """

    def __init__(self, pool: Pool, on_delivered: Callable[[float], None] = _unmeasured) -> None:
        self._pool = pool
        self._on_delivered = on_delivered

    async def pending(self, limit: int, without: Collection[str] = ()) -> Sequence[Message]:
        """See the port."""
        async with in_time(self._pool) as connection:
            rows = await connection.fetch(_PENDING, limit, list(without))
        return [Message(**row) for row in rows]

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

    async def dead_letter(self, id: int, why: str) -> None:
        """See the port."""
        async with in_time(self._pool) as connection:
            row = await connection.fetchrow(_DEAD_LETTER, id, _storable(why))
        if row is not None:
            log.error(
                "realtime.event_dead_lettered", event_id=str(row["event_id"]), topic=row["topic"], why=why
            )

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """See the port."""
        async with in_time(self._pool) as connection:
            rows = await connection.fetch(_DEAD_LETTERS, limit)
        return [DeadLetter(**row) for row in rows]

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
        return Backlog(**row)

    async def drop(self, id: int, reason: str) -> bool:
        """Tell an event that is not delivered to nobody, ever; whether there was one. It is audited with *reason*.

        The connection is an operator's: the service itself may not drop anything.

        Raises:
            Unavailable: the database does not answer.
        """
        async with in_time(self._pool) as connection:
            return bool(await connection.fetchval(_DROP, id, reason, AuditAction.EVENT_DROPPED.value))

    async def clean_up(self, older_than: timedelta, limit: int) -> int:
        """See the port."""
        async with in_time(self._pool) as connection:
            return int(await connection.fetchval(_CLEAN_UP, older_than, limit))


def _storable(why: str) -> str:
    """What somebody else's server said, as PostgreSQL can keep it."""
    return why.replace("\x00", "")[:500]
