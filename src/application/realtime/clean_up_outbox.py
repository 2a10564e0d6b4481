"""Forget events that were delivered long ago, a bounded step at a time."""

from application.realtime.ports import DELIVERED_RETENTION, Outbox

STEP = 1_000


class CleanUpOutbox:
    """Keeps the outbox small. Nothing but what was delivered is touched."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def __call__(self) -> bool:
        """Take one step; whether there may be more to do.

        Raises:
            Unavailable: the database does not answer.
        """
        return await self._outbox.clean_up(DELIVERED_RETENTION, STEP) == STEP
