"""Forget idempotency keys whose published life is over."""

from datetime import timedelta
from typing import Final, Protocol

KEYS_LIVE: Final = timedelta(days=30)
STEP: Final = 500
MOST_STEPS: Final = 200


class Keys(Protocol):
    """The stored keys of everybody."""

    async def forget(self, older_than: timedelta, limit: int) -> int:
        """Delete at most *limit* keys older than *older_than* by the database's clock; how many were deleted.

        Keys that another process is deleting are passed over.

        Raises:
            Unavailable: the database does not answer; nothing is lost.
        """
        ...


class ForgetKeys:
    """Deletes in small steps, each a transaction of its own, so that no request ever waits for it.

    Any number of processes may run it at once: they share the work.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def __call__(self) -> int:
        """Delete what is due, at most 100 000 keys a run; how many were deleted.

        Raises:
            Unavailable: the database does not answer; the next run goes on.
        """
        forgotten = 0
        for _ in range(MOST_STEPS):
            step = await self._keys.forget(KEYS_LIVE, STEP)
            forgotten += step
            if step < STEP:
                break
        return forgotten
