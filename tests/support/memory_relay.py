"""Hand-written neighbours of the relay, in memory, and a clock that the test moves."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from application.realtime.pace import Pace
from application.realtime.ports import Fault, Message, PublishFailed
from application.realtime.relay_events import RelayEvents, RoundResult
from domain.errors import Unavailable
from domain.events import Event
from support.memory.database import MemoryDatabase
from support.memory.outbox import MemoryOutbox

Behaviour = Callable[[Message], None]


def takes(message: Message) -> None:
    """Take everything."""


@dataclass
class MemoryPublisher:
    """Takes messages as its behaviour says, and keeps them."""

    behaviour: Behaviour = takes
    works: bool = True
    taken: list[int] = field(default_factory=list)
    tried: list[int] = field(default_factory=list)
    probes: int = 0
    cost: int = 3

    async def publish(self, message: Message) -> int | None:
        self.tried.append(message.id)
        self.behaviour(message)
        self.taken.append(message.id)
        return None

    async def probe(self) -> bool:
        self.probes += 1
        return self.works


@dataclass
class MemoryLease:
    """Held or not, as the test says; it may be lost before the message that follows *outlasts* others."""

    held: bool = True
    outlasts: int | None = None
    renewals: int = 0

    async def acquire_or_renew(self) -> bool:
        self.renewals += 1
        return self.held

    @property
    def outlasts_a_message(self) -> bool:
        if self.outlasts is not None:
            self.held, self.outlasts = self.outlasts > 0, max(self.outlasts - 1, 0)
        return self.held

    async def resign(self) -> None:
        self.held = False


class FragileOutbox(MemoryOutbox):
    """An outbox whose database may be away when something is settled."""

    away = False

    async def delivered(self, ids: Collection[int]) -> None:
        if self.away:
            raise Unavailable
        await super().delivered(ids)


class RelayHarness:
    """A relay on memory with *events* to deliver."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.now = 1_000.0
        self._database = MemoryDatabase(outbox=list(events))
        self.outbox = FragileOutbox(self._database)
        self.publisher = MemoryPublisher()
        self.lease = MemoryLease()
        self.relay = RelayEvents(self.lease, self.outbox, self.publisher, Pace(1), lambda: self.now)

    def commit(self, events: Sequence[Event]) -> None:
        """More that happens meanwhile."""
        self._database.outbox += events

    async def run(self, seconds: float = 0) -> list[RoundResult]:
        """Run rounds until there is nothing to do, and then again after each of *seconds*; what they did."""
        results = []
        until = self.now + seconds
        while True:
            results.append(await self.relay())
            if results[-1] is not RoundResult.DELIVERED:
                if self.now >= until:
                    return results
                self.now += 1


def refuses(*poison: int, fault: Fault = Fault.MESSAGE) -> Behaviour:
    """Refuse the messages with one of these ids."""

    def behave(message: Message) -> None:
        if message.id in poison:
            raise PublishFailed("refused", fault)

    return behave


def fails(fault: Fault = Fault.PASSING) -> Behaviour:
    """Take nothing."""

    def behave(_: Message) -> None:
        raise PublishFailed("not now", fault)

    return behave
