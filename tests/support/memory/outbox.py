"""The outbox in memory: the events of a :class:`MemoryDatabase`, in the order in which they were committed."""

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice

from application.encoding import to_json
from application.realtime.ports import Backlog, DeadLetter, Message
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
        self._dead_lettered: dict[int, datetime] = {}
        self._forgotten: set[int] = set()

    async def pending(self, limit: int, without: Collection[str] = ()) -> Sequence[Message]:
        """See the port."""
        messages = (self._message(place) for place in self._pending())
        return list(islice((message for message in messages if message.topic not in without), limit))

    async def delivered(self, ids: Collection[int]) -> None:
        """See the port."""
        for place in set(ids) - set(self._delivered):
            self._count(place)
            self._delivered[place] = self._now()
            self._dead_lettered.pop(place, None)

    async def failed(self, ids: Collection[int], why: str) -> None:
        """See the port."""
        for place in ids:
            self._count(place)
            self._errors[place] = why

    async def dead_letter(self, id: int, why: str) -> None:
        """See the port."""
        if id not in self._delivered:
            await self.failed([id], why)
            self._dead_lettered[id] = self._now()

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """See the port."""
        return [self._dead_letter_of(place) for place in sorted(self._dead_lettered)][:limit]

    async def retry(self, ids: Collection[int] | None) -> Sequence[int]:
        """See the port."""
        wanted = sorted(place for place in self._dead_lettered if ids is None or place in ids)
        for place in wanted:
            del self._dead_lettered[place]
            self._attempts[place] = 0
        return wanted

    async def backlog(self) -> Backlog:
        """See the port."""
        pending = list(self._pending())
        oldest = self._database.outbox[pending[0] - 1].occurred_at if pending else self._now()
        return Backlog(len(pending), (self._now() - oldest).total_seconds(), len(self._dead_lettered))

    async def clean_up(self, older_than: timedelta, limit: int) -> int:
        """See the port."""
        horizon = self._now() - older_than
        old = {place for place, at in self._delivered.items() if at < horizon} - self._forgotten
        step = sorted(old)[:limit]
        self._forgotten.update(step)
        return len(step)

    def _pending(self) -> Iterator[int]:
        places = range(1, len(self._database.outbox) + 1)
        return (
            place for place in places if place not in self._delivered and place not in self._dead_lettered
        )

    def _count(self, place: int) -> None:
        self._attempts[place] = self._attempts.get(place, 0) + 1

    def _message(self, place: int) -> Message:
        event = self._database.outbox[place - 1]
        topic, payload = event.topic, to_json(event)
        return Message(place, event.event_id, topic, event.NAME, payload, self._attempts.get(place, 0))

    def _dead_letter_of(self, place: int) -> DeadLetter:
        row = self._message(place)
        why = self._errors.get(place, "")
        return DeadLetter(
            place, row.event_id, row.topic, row.event, row.attempts, self._dead_lettered[place], why
        )
