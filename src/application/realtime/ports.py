"""What the relay needs: the rows that are owed, and somebody who takes messages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Message:
    """A committed event that is owed to a private topic. ``payload`` is the JSON of a domain event."""

    id: int
    event_id: UUID
    topic: str
    event: str
    payload: str
    attempts: int


class Outbox(Protocol):
    """The committed events that were not delivered yet, in the order in which they are owed."""

    async def lead(self) -> bool:
        """Take or keep the lease that makes this process the one active relay."""
        ...

    async def resign(self) -> None:
        """Give the lease up, so that another process may lead at once."""
        ...

    async def due(self, limit: int) -> Sequence[Message]:
        """At most *limit* messages, oldest first."""
        ...

    async def delivered(self, messages: Sequence[Message]) -> None:
        """Mark *messages* as taken by Realtime."""
        ...

    async def failed(self, messages: Sequence[Message], why: str) -> None:
        """Count an attempt that did not succeed; the messages stay due."""
        ...

    async def park(self, message: Message, why: str) -> None:
        """Set aside a message that Realtime will never take, until an operator sends it again."""
        ...


class Publisher(Protocol):
    """Supabase Realtime, as far as a relay talks to it."""

    async def publish(self, messages: Sequence[Message]) -> None:
        """Hand *messages* over as one batch; returning means that all of them were taken.

        Raises:
            BatchRefused: Realtime finds fault with the batch itself; sent alone, the faultless ones go through.
            PublishFailed: it did not take them now; sending them again is safe.
        """
        ...


class PublishFailed(Exception):
    """Realtime did not take a batch; the same batch may be sent again. ``retry_smaller``: a smaller one sooner."""

    def __init__(self, why: str, *, retry_smaller: bool = False) -> None:
        super().__init__(why)
        self.retry_smaller = retry_smaller


class BatchRefused(Exception):
    """Realtime refuses a batch for what is in it."""
