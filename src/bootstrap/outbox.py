"""What ``lingualink outbox`` shows and does."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

import msgspec

from application.realtime.ports import Backlog, ParkedEvent
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import create_pool
from infrastructure.postgres.outbox import PostgresOutbox

SHOWN = 1_000


@asynccontextmanager
async def _outbox(database: DatabaseAddress) -> AsyncIterator[PostgresOutbox]:
    async with create_pool(database, 1) as pool:
        yield PostgresOutbox(pool)


async def outbox_report(database: DatabaseAddress, *, as_json: bool) -> str:
    """The parked events, at most a thousand, and how much else is owed; payloads are never shown."""
    async with _outbox(database) as outbox:
        parked, backlog = await outbox.parked(SHOWN), await outbox.backlog()
    if as_json:
        return msgspec.json.encode({"parked": parked, "backlog": backlog}).decode()
    return "\n".join([*map(_line, parked), _summary(parked, backlog)])


async def retry_parked(database: DatabaseAddress, ids: Collection[int] | None) -> Sequence[int]:
    """Owe parked events again (all of them when *ids* is None); the ids of those that were parked."""
    async with _outbox(database) as outbox:
        return await outbox.retry(ids)


def _line(event: ParkedEvent) -> str:
    parked_at = f"{event.parked_at:%Y-%m-%dT%H:%M:%SZ}"
    return f"{event.id}  {parked_at}  {event.event}  {event.topic}  {event.event_id}  {event.why}"


def _summary(parked: Sequence[ParkedEvent], backlog: Backlog) -> str:
    more = f" ({len(parked)} shown)" if backlog.parked > len(parked) else ""
    due = f"{backlog.due} due, the oldest for {backlog.oldest_due_seconds:.1f} s."
    return f"{backlog.parked} parked{more}; {due}"
