"""Deliver what is owed: one batch at a time, outside any transaction, at least once, in order."""

from collections.abc import Sequence
from enum import Enum, auto

from application.realtime.ports import BatchRefused, Message, Outbox, Publisher, PublishFailed

BATCH = 50


class Progress(Enum):
    """What one round of the relay did."""

    STANDING_BY = auto()
    IDLE = auto()
    DELIVERED = auto()
    FAILED = auto()


class RelayEvents:
    """Publishes due messages and settles them. A crash in between sends them again with the same event id."""

    def __init__(self, outbox: Outbox, publisher: Publisher) -> None:
        self._outbox = outbox
        self._publisher = publisher
        self._batch = BATCH

    async def __call__(self) -> Progress:
        """Run one round.

        Raises:
            Unavailable: the database does not answer; nothing is lost.
        """
        if not await self._outbox.lead():
            return Progress.STANDING_BY
        messages = await self._outbox.due(self._batch)
        if not messages:
            return Progress.IDLE
        try:
            await self._deliver(messages)
        except PublishFailed as failure:
            self._batch = max(1, self._batch // 2) if failure.retry_smaller else self._batch
            await self._outbox.failed(messages, str(failure))
            return Progress.FAILED
        self._batch = min(BATCH, self._batch * 2)
        return Progress.DELIVERED

    async def resign(self) -> None:
        """Let another relay take over at once."""
        await self._outbox.resign()

    async def _deliver(self, messages: Sequence[Message]) -> None:
        """Publish *messages*; where the batch is refused, halve it until the one at fault stands alone."""
        try:
            await self._publisher.publish(messages)
        except BatchRefused as refusal:
            if len(messages) == 1:
                await self._outbox.park(messages[0], str(refusal))
                return
            middle = len(messages) // 2
            await self._deliver(messages[:middle])
            await self._deliver(messages[middle:])
            return
        await self._outbox.delivered(messages)
