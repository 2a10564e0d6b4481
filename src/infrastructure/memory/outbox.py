"""What is owed, in memory: the events of a :class:`MemoryDatabase`, in the order in which they were committed."""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from application.encoding import to_json
from application.realtime.ports import Backlog, Message, ParkedEvent
from domain.events import topic_of
from infrastructure.memory.database import MemoryDatabase


def _now() -> datetime:
    return datetime.now(UTC)


class MemoryOutbox:
    """The port :class:`application.realtime.ports.Outbox` in memory; an event's id is its place, from 1."""

    def __init__(self, database: MemoryDatabase, now: Callable[[], datetime] = _now) -> None:
        self._database = database
        self._now = now
        self._attempts: dict[int, int] = {}
        self._errors: dict[int, str] = {}
        self._delivered: dict[int, datetime] = {}
        self._parked: dict[int, datetime] = {}
        self._forgotten: set[int] = set()

    async def due(self, limit: int) -> Sequence[Message]:
        """See the port."""
        return [self._message(id) for id in self._due()][:limit]

    async def delivered(self, ids: Collection[int]) -> None:
        """See the port."""
        for id in ids:
            if id not in self._delivered:
                self._count(id)
                self._delivered[id] = self._now()
                self._parked.pop(id, None)

    async def failed(self, ids: Collection[int], why: str) -> None:
        """See the port."""
        for id in ids:
            self._count(id)
            self._errors[id] = why

    async def park(self, id: int, why: str) -> None:
        """See the port."""
        if id not in self._delivered:
            await self.failed([id], why)
            self._parked[id] = self._now()

    async def parked(self, limit: int) -> Sequence[ParkedEvent]:
        """See the port."""
        return [self._parked_event(id) for id in sorted(self._parked)][:limit]

    async def retry(self, ids: Collection[int] | None) -> Sequence[int]:
        """See the port."""
        wanted = sorted(id for id in self._parked if ids is None or id in ids)
        for id in wanted:
            del self._parked[id]
            self._attempts[id] = 0
        return wanted

    async def backlog(self) -> Backlog:
        """See the port."""
        due = list(self._due())
        oldest = self._database.outbox[due[0] - 1].occurred_at if due else self._now()
        return Backlog(len(due), (self._now() - oldest).total_seconds(), len(self._parked))

    async def clean_up(self, older_than: timedelta, limit: int) -> int:
        """See the port."""
        horizon = self._now() - older_than
        old = sorted(id for id, at in self._delivered.items() if at < horizon and id not in self._forgotten)
        self._forgotten.update(old[:limit])
        return len(old[:limit])

    def _due(self) -> Iterator[int]:
        ids = range(1, len(self._database.outbox) + 1)
        return (id for id in ids if id not in self._delivered and id not in self._parked)

    def _count(self, id: int) -> None:
        self._attempts[id] = self._attempts.get(id, 0) + 1

    def _message(self, id: int) -> Message:
        event = self._database.outbox[id - 1]
        topic, payload = topic_of(event.recipient_id), to_json(event)
        return Message(id, event.event_id, topic, event.NAME, payload, self._attempts.get(id, 0))

    def _parked_event(self, id: int) -> ParkedEvent:
        row = self._message(id)
        why = self._errors.get(id, "")
        return ParkedEvent(id, row.event_id, row.topic, row.event, row.attempts, self._parked[id], why)
