"""What the relay needs: the events that are owed, the right to deliver them, and somebody who takes them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from uuid import UUID

DELIVERED_RETENTION: Final = timedelta(days=7)
"""How long a delivered event stays. Every transaction younger than this has its event in the outbox, whatever became
of it: what is due or parked stays for ever, and nothing is delivered before it was committed."""


@dataclass(frozen=True, slots=True)
class Message:
    """A committed event that is owed to a private topic. ``payload`` is the JSON of a domain event."""

    id: int
    event_id: UUID
    topic: str
    event: str
    payload: str
    attempts: int


@dataclass(frozen=True, slots=True)
class ParkedEvent:
    """An event that Realtime will not take as it is, and why. ``parked_at`` is UTC."""

    id: int
    event_id: UUID
    topic: str
    event: str
    attempts: int
    parked_at: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much is owed: due and parked events (counted up to 100,001), and the age of the oldest due one."""

    due: int
    oldest_due_seconds: float
    parked: int


class Lease(Protocol):
    """The right to be the one active relay. It ends by itself some seconds after its holder's death."""

    async def hold(self) -> bool:
        """Take or keep the lease: whether this process may publish one batch from now on.

        Cheap enough to be asked before every batch: most calls cost nothing.

        Raises:
            Unavailable: the database does not answer, so nobody knows.
        """
        ...

    async def resign(self) -> None:
        """Give the lease up, so that another process may lead at once.

        Raises:
            Unavailable: the database does not answer; the lease ends by itself.
        """
        ...


class Outbox(Protocol):
    """The committed events, in the order in which they are owed. Every method raises Unavailable."""

    async def due(self, limit: int) -> Sequence[Message]:
        """At most *limit* events that are neither delivered nor parked, oldest first."""
        ...

    async def delivered(self, ids: Collection[int]) -> None:
        """Mark events as taken by Realtime."""
        ...

    async def failed(self, ids: Collection[int], why: str) -> None:
        """Count an attempt that did not succeed; the events stay due."""
        ...

    async def park(self, id: int, why: str) -> None:
        """Set aside an event that Realtime will never take as it is, until an operator sends it again."""
        ...

    async def parked(self, limit: int) -> Sequence[ParkedEvent]:
        """At most *limit* parked events, oldest first."""
        ...

    async def retry(self, ids: Collection[int] | None) -> Sequence[int]:
        """Make parked events due again, all of them when *ids* is None; the ids of those that were parked."""
        ...

    async def backlog(self) -> Backlog:
        """How much is owed now."""
        ...

    async def clean_up(self, older_than: timedelta, limit: int) -> int:
        """Forget at most *limit* events that were delivered longer ago than *older_than*; how many it was."""
        ...


class Publisher(Protocol):
    """Supabase Realtime, as far as a relay talks to it."""

    async def publish(self, messages: Sequence[Message]) -> int | None:
        """Hand *messages* over as one batch; returning means that all of them were taken.

        Returns how many more would be taken at once right now; None where Realtime does not say. It takes less
        time than a lease that was just held has left.

        Raises:
            BatchRefused: Realtime finds fault with what is in the batch; sent alone, faultless messages go through.
            PublishFailed: it did not take them now; sending them again is safe.
        """
        ...


class PublishFailed(Exception):
    """Realtime did not take a batch; the same messages may be sent again.

    ``room`` is how many it would take at once, where it says so; ``denied`` means that it does not take ours at
    all: somebody has to look at the key.
    """

    def __init__(self, why: str, *, room: int | None = None, denied: bool = False) -> None:
        super().__init__(why)
        self.room = room
        self.denied = denied


class BatchRefused(Exception):
    """Realtime refuses a batch for what is in it."""
