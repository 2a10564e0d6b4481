"""How fast the relay may send, and when again: a share of what the project's plan allows, evenly, from the start.

Realtime counts sends and deliveries of the whole project, the app's own included, and over the limit it closes the
channels of *receivers*, for good as far as plain supabase-js goes. So nothing is sent in bursts that the plan could
not bear, and there is room for others.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from application.realtime.ports import Fault

BURST_S: Final = 0.1
"""What may be sent at once after a pause: a tenth of a second's worth, so that a lone payment waits for nothing."""
RECOVERY_S: Final = 60.0
"""How long after a 429 the pace doubles again."""
SLOWEST: Final = 1 / 16
ONCE_S: Final = 1.0
"""Several 429 within it are one: what was in flight together is refused together."""
LONGEST_WAIT_S: Final = 15.0

REFUSALS: Final = {Fault.MESSAGE: (3, 2.0), Fault.PASSING: (5, 40.0), Fault.KEY: (5, 40.0)}
"""How often, and over how many seconds, a message must be refused alone before it is set aside: less where Realtime
finds fault with the message itself."""


class Pace:
    """Hands out turns. Without a limit there is nothing to wait for."""

    def __init__(
        self,
        share: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._share = share
        self._clock = clock
        self._sleep = sleep
        self._limit: int | None = None
        self._factor = 1.0
        self._changed_at = clock()
        self._next = clock()

    def learn(self, limit: int | None) -> None:
        """Realtime has told the plan's *limit*, in messages a second; None where an answer did not tell."""
        self._limit = limit or self._limit

    def throttled(self) -> None:
        """Realtime found it too much: others send, too. Half as fast from now on, and slowly faster again."""
        now = self._clock()
        if self._factor == 1 or now - self._changed_at >= ONCE_S:
            self._factor, self._changed_at = max(SLOWEST, self._factor / 2), now

    def per_second(self) -> float | None:
        """Messages a second, sends and deliveries counted; None where nothing limits them."""
        return None if self._limit is None else max(self._limit * self._share * self._factor, 0.01)

    async def turn(self, cost: int) -> None:
        """Return when something that counts as *cost* messages may be sent."""
        now = self._clock()
        if self._factor < 1 and now - self._changed_at >= RECOVERY_S:
            self._factor, self._changed_at = min(1.0, self._factor * 2), now
        if (rate := self.per_second()) is None:
            return
        self._next = max(self._next, now - BURST_S) + cost / rate
        if (wait := self._next - now) > 0:
            await self._sleep(wait)


@dataclass(slots=True)
class Setback:
    """The first message of a topic was refused, and its topic waits. ``alone`` counts the times that others passed.

    ``since`` and ``retry_at`` are times of the relay's clock, ``accepted`` is how many messages had passed by then.
    """

    since: float
    accepted: int
    retry_at: float = 0.0
    failures: int = 0
    alone: int = 0

    def fail(self, now: float, attempts: int) -> None:
        """It was refused once more: wait twice as long. *attempts* are the failures before this relay began."""
        self.failures += 1
        # What failed often before is not tried as if it were new.
        exponent = min(max(self.failures - 1, attempts), 10)
        self.retry_at = now + min(LONGEST_WAIT_S, 2.0**exponent)

    def is_enough(self, fault: Fault, now: float) -> bool:
        """Whether the message was refused alone often and long enough to be set aside."""
        times, seconds = REFUSALS[fault]
        return self.alone >= times and now - self.since >= seconds
