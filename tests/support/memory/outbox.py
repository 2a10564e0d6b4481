"""What is owed, in memory: the events of a :class:`MemoryDatabase`, in the order in which they were committed."""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from application.encoding import to_json
from application.realtime.ports import Backlog, Message, ParkedEvent
from domain.events import topic_of
from support.memory.database import MemoryDatabase


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
        return [self._message(place) for place in self._due()][:limit]

    async def delivered(self, ids: Collection[int]) -> None:
        """See the port."""
        for place in set(ids) - set(self._delivered):
            self._count(place)
            self._delivered[place] = self._now()
            self._parked.pop(place, None)

    async def failed(self, ids: Collection[int], why: str) -> None:
        """See the port."""
        for place in ids:
            self._count(place)
            self._errors[place] = why

    async def park(self, id: int, why: str) -> None:
        """See the port."""
        if id not in self._delivered:
            await self.failed([id], why)
            self._parked[id] = self._now()

    async def parked(self, limit: int) -> Sequence[ParkedEvent]:
        """See the port."""
        return [self._parked_event(place) for place in sorted(self._parked)][:limit]

    async def retry(self, ids: Collection[int] | None) -> Sequence[int]:
        """See the port."""
        wanted = sorted(place for place in self._parked if ids is None or place in ids)
        for place in wanted:
            del self._parked[place]
            self._attempts[place] = 0
        return wanted

    async def backlog(self) -> Backlog:
        """See the port."""
        due = list(self._due())
        oldest = self._database.outbox[due[0] - 1].occurred_at if due else self._now()
        return Backlog(len(due), (self._now() - oldest).total_seconds(), len(self._parked))

    async def clean_up(self, older_than: timedelta, limit: int) -> int:
        """See the port."""
        horizon = self._now() - older_than
        old = {place for place, at in self._delivered.items() if at < horizon} - self._forgotten
        step = sorted(old)[:limit]
        self._forgotten.update(step)
        return len(step)

    def _due(self) -> Iterator[int]:
        places = range(1, len(self._database.outbox) + 1)
        return (place for place in places if place not in self._delivered and place not in self._parked)

    def _count(self, place: int) -> None:
        self._attempts[place] = self._attempts.get(place, 0) + 1

    def _message(self, place: int) -> Message:
        event = self._database.outbox[place - 1]
        topic, payload = topic_of(event.recipient_id), to_json(event)
        return Message(place, event.event_id, topic, event.NAME, payload, self._attempts.get(place, 0))

    def _parked_event(self, place: int) -> ParkedEvent:
        row = self._message(place)
        why = self._errors.get(place, "")
        return ParkedEvent(place, row.event_id, row.topic, row.event, row.attempts, self._parked[place], why)
