"""Deliver what is owed: one batch at a time, outside any transaction, at least once, in order."""

from collections.abc import Sequence
from enum import Enum, auto

from application.realtime.ports import BatchRefused, Lease, Message, Outbox, Publisher, PublishFailed

BATCH = 50
"""The most messages of one request: Realtime probes the policies once for each topic, one after the other."""


class Progress(Enum):
    """What one round of the relay did."""

    STANDBY = auto()
    IDLE = auto()
    DELIVERED = auto()
    NO_ROOM = auto()
    """Delivered, and Realtime has no room for more right now."""
    FAILED = auto()
    DENIED = auto()


class RelayEvents:
    """Publishes due events and settles them. Whatever dies in between, they go out again with the same event id."""

    def __init__(self, lease: Lease, outbox: Outbox, publisher: Publisher) -> None:
        self._lease = lease
        self._outbox = outbox
        self._publisher = publisher
        self._size = BATCH
        self._room: int | None = None
        self._taken: list[int] = []  # by Realtime, and not settled yet: the database may be away in between

    async def __call__(self) -> Progress:
        """Run one round: at most one batch.

        Raises:
            Unavailable: the database does not answer; nothing is lost.
        """
        await self._settle()
        if not await self._lease.hold():
            return Progress.STANDBY
        messages = await self._outbox.due(self._size)
        if not messages:
            return Progress.IDLE
        return await self._deliver(messages)

    async def resign(self) -> None:
        """Let another relay take over at once.

        Raises:
            Unavailable: the database does not answer; then the lease ends by itself.
        """
        await self._settle()
        await self._lease.resign()

    async def _deliver(self, messages: Sequence[Message]) -> Progress:
        """Publish *messages* in order; what is refused is halved until the one at fault stands alone."""
        pieces = [messages]
        while pieces:
            piece = pieces.pop()
            if not await self._lease.hold():
                await self._settle()
                return Progress.STANDBY
            try:
                self._room = await self._publisher.publish(piece)
            except BatchRefused as refusal:
                if len(piece) == 1:
                    await self._outbox.park(piece[0].id, str(refusal))
                else:
                    middle = len(piece) // 2
                    pieces += [piece[middle:], piece[:middle]]
            except PublishFailed as failure:
                return await self._put_off(piece, failure)
            else:
                self._taken += [message.id for message in piece]
        await self._settle()
        return self._grow()

    async def _put_off(self, piece: Sequence[Message], failure: PublishFailed) -> Progress:
        await self._settle()
        await self._outbox.failed([message.id for message in piece], str(failure))
        if failure.denied:
            return Progress.DENIED
        self._size = max(1, min(self._size // 2, self._size if failure.room is None else failure.room))
        return Progress.FAILED

    async def _settle(self) -> None:
        if self._taken:
            await self._outbox.delivered(self._taken)
            self._taken = []

    def _grow(self) -> Progress:
        """Larger batches again, as far as Realtime says that there is room."""
        room = BATCH if self._room is None else self._room
        self._size = max(1, min(BATCH, self._size * 2, room))
        return Progress.DELIVERED if room > 0 else Progress.NO_ROOM
