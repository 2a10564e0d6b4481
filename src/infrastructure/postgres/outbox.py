"""The committed events that are owed to the app, and the lease that makes one relay the active one."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import asyncpg

from application.realtime.ports import Message
from infrastructure.postgres.errors import translated

LEASE_S = 10

# Database time alone decides who leads: clocks of processes may differ.
_LEAD = """
update private.relay_lease
set holder = $1, expires_at = clock_timestamp() + make_interval(secs => $2)
where holder = $1 or expires_at < clock_timestamp()
returning true
"""
_RESIGN = "update private.relay_lease set holder = null, expires_at = '-infinity' where holder = $1"
# Never "id above the last seen": ids are taken in another order than transactions commit.
_DUE = """
select id, event_id, topic, event, payload::text as payload, attempts
from private.realtime_outbox
where delivered_at is null and parked_at is null
order by id
limit $1
"""
_DELIVERED = """
update private.realtime_outbox
set delivered_at = clock_timestamp(), attempts = attempts + 1, last_error = null
where id = any ($1::bigint[])
"""
_FAILED = """
update private.realtime_outbox set attempts = attempts + 1, last_error = $2 where id = any ($1::bigint[])
"""
_PARK = """
update private.realtime_outbox
set parked_at = clock_timestamp(), attempts = attempts + 1, last_error = $2 where id = $1
"""


class PostgresOutbox:
    """The port :class:`application.realtime.ports.Outbox` on the shared database; each is one relay's own."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._holder = uuid4()

    async def lead(self) -> bool:
        """See the port. The lease lasts ten seconds from each call."""
        async with translated():
            return bool(await self._pool.fetchval(_LEAD, self._holder, LEASE_S))

    async def resign(self) -> None:
        """See the port."""
        async with translated():
            await self._pool.execute(_RESIGN, self._holder)

    async def due(self, limit: int) -> Sequence[Message]:
        """See the port."""
        async with translated():
            rows = await self._pool.fetch(_DUE, limit)
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

    async def delivered(self, messages: Sequence[Message]) -> None:
        """See the port."""
        async with translated():
            await self._pool.execute(_DELIVERED, [message.id for message in messages])

    async def failed(self, messages: Sequence[Message], why: str) -> None:
        """See the port."""
        async with translated():
            await self._pool.execute(_FAILED, [message.id for message in messages], why)

    async def park(self, message: Message, why: str) -> None:
        """See the port."""
        async with translated():
            await self._pool.execute(_PARK, message.id, why)
