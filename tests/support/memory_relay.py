"""Hand-written neighbours of the relay, in memory."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from application.realtime.ports import BatchRefused, Message, PublishFailed
from application.realtime.relay_events import RelayEvents
from domain.errors import Unavailable
from domain.events import Event
from support.memory.database import MemoryDatabase
from support.memory.outbox import MemoryOutbox

Behaviour = Callable[[Sequence[Message]], int | None]


def takes(messages: Sequence[Message]) -> int | None:  # noqa: ARG001 - a behaviour
    """Take everything, and say nothing of room."""
    return None


@dataclass
class MemoryPublisher:
    """Takes messages as its behaviour says, and keeps them."""

    behaviour: Behaviour = takes
    taken: list[int] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    async def publish(self, messages: Sequence[Message]) -> int | None:
        self.batches.append(len(messages))
        room = self.behaviour(messages)
        self.taken += [message.id for message in messages]
        return room


@dataclass
class MemoryLease:
    """Held or not, as the test says."""

    held: bool = True
    answers: list[bool] = field(default_factory=list)

    async def hold(self) -> bool:
        return self.answers.pop(0) if self.answers else self.held

    async def resign(self) -> None:
        self.held = False


class FragileOutbox(MemoryOutbox):
    """An outbox whose database may be away when something is settled."""

    away = False

    async def delivered(self, ids: Collection[int]) -> None:
        if self.away:
            raise Unavailable
        await super().delivered(ids)


class Scene:
    """A relay on memory, owing *events*."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.outbox = FragileOutbox(MemoryDatabase(outbox=list(events)))
        self.publisher = MemoryPublisher()
        self.lease = MemoryLease()
        self.relay = RelayEvents(self.lease, self.outbox, self.publisher)


def refuses(*poison: int) -> Behaviour:
    """Refuse every batch that holds one of these ids."""

    def behave(messages: Sequence[Message]) -> int | None:
        if any(message.id in poison for message in messages):
            raise BatchRefused("422")
        return None

    return behave


def fails(*, room: int | None = None, denied: bool = False) -> Behaviour:
    """Take nothing."""

    def behave(messages: Sequence[Message]) -> int | None:  # noqa: ARG001 - a behaviour
        raise PublishFailed("not now", room=room, denied=denied)

    return behave
