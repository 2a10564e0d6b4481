"""What the relay needs: the events that are pending, the right to deliver them, and somebody who takes them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, Protocol
from uuid import UUID

DELIVERED_RETENTION: Final = timedelta(days=7)
"""How long a delivered event stays. Every transaction younger than this has its event in the outbox, whatever became
of it: what is pending, dead-lettered or dropped stays for ever, and nothing is delivered before it was committed."""


@dataclass(frozen=True, slots=True)
class Message:
    """A committed event that a private topic has yet to hear. ``payload`` is the JSON of a domain event.

    ``attempts`` counts the failures so far.
    """

    id: int
    event_id: UUID
    topic: str
    event: str
    payload: str
    attempts: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that Realtime refuses while it takes others, and why. ``dead_lettered_at`` is UTC."""

    id: int
    event_id: UUID
    topic: str
    event: str
    attempts: int
    dead_lettered_at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """Pending and dead-lettered events (counted up to 100,001), and the age of the oldest pending one."""

    pending: int
    oldest_pending_seconds: float
    dead_lettered: int


class Lease(Protocol):
    """The right to be the one active relay. It ends by itself some seconds after its holder's death."""

    async def acquire_or_renew(self) -> bool:
        """Take or keep the lease: whether this process leads. Asked in every round; most calls cost nothing.

        Raises:
            Unavailable: the database does not answer, so nobody knows.
        """
        ...

    @property
    def outlasts_a_message(self) -> bool:
        """Whether what is published now is answered before the lease ends. Asked before every message: no look-up."""
        ...

    async def resign(self) -> None:
        """Give the lease up, so that another process may lead at once.

        Raises:
            Unavailable: the database does not answer; the lease ends by itself.
        """
        ...


class Outbox(Protocol):
    """The committed events, in the order of their commits. Every method raises Unavailable."""

    async def pending(self, limit: int, without: Collection[str] = ()) -> Sequence[Message]:
        """At most *limit* events that are neither delivered nor dead-lettered, oldest first.

        Those of the topics in *without* are passed over; it looks at the ten thousand oldest others at most.
        """
        ...

    async def delivered(self, ids: Collection[int]) -> None:
        """Mark events as taken by Realtime."""
        ...

    async def failed(self, ids: Collection[int], why: str) -> None:
        """Count an attempt that did not succeed; the events stay pending."""
        ...

    async def dead_letter(self, id: int, why: str) -> None:
        """Set an event aside until an operator retries or drops it."""
        ...

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """At most *limit* events that were set aside, oldest first."""
        ...

    async def retry(self, ids: Collection[int] | None) -> Sequence[int]:
        """Make dead-lettered events pending again, all of them when *ids* is None; the ids of those that were."""
        ...

    async def backlog(self) -> Backlog:
        """How much there is now."""
        ...

    async def clean_up(self, older_than: timedelta, limit: int) -> int:
        """Forget at most *limit* events that were delivered longer ago than *older_than*; how many it was."""
        ...


class Publisher(Protocol):
    """Supabase Realtime, as far as a relay talks to it."""

    @property
    def cost(self) -> int:
        """How many messages a publishing counts against the plan, with deliveries to the usual number of devices."""
        ...

    async def publish(self, message: Message) -> int | None:
        """Hand *message* over; returning means that Realtime has answered for this very message.

        Returns the messages a second that the project's plan allows, None where Realtime does not say. It takes
        less time than a lease has left that outlasts a message.

        Raises:
            PublishFailed: it was not taken; sending it again is safe.
        """
        ...

    async def probe(self) -> bool:
        """Whether Realtime takes a message now, shown by one that nobody waits for."""
        ...


class Fault(Enum):
    """What a failure says, and of whom."""

    MESSAGE = "refused"
    """Realtime finds fault with the message."""
    PASSING = "failed"
    """It could not take the message now; whose fault that is, time will tell."""
    RATE = "throttled"
    """It takes nothing now, because there was too much."""
    KEY = "denied"
    """It takes nothing of ours: somebody has to look at the key."""


class PublishFailed(Exception):
    """Realtime did not take a message; the same message may be sent again."""

    def __init__(self, why: str, fault: Fault = Fault.PASSING) -> None:
        super().__init__(why)
        self.fault = fault
