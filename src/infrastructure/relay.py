"""Runs the relay: wakes on a commit or a tick, works until nothing is due, backs off on failure, stops cleanly."""

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import structlog

from application.realtime.clean_up_outbox import CleanUpOutbox
from application.realtime.relay_events import Progress, RelayEvents
from domain.errors import Unavailable

POLL_S: Final = 0.5
BUSY_POLL_S: Final = 0.1
BUSY_FOR_S: Final = 10.0
"""How long a relay that nobody can notify polls faster after it saw an event."""
STANDBY_S: Final = 1.0
NO_ROOM_S: Final = 1.0
CLEAN_UP_S: Final = 60.0
CLEAN_UP_MORE_S: Final = 1.0

# First pause, longest pause. The longest ones end early enough that a thousand events are out 30 s after a fault.
_BACK_OFF: Final = {Progress.FAILED: (0.25, 5.0), Progress.DENIED: (1.0, 15.0)}

log = structlog.get_logger(__name__)


class Pace:
    """How long the relay waits after a round. *notified* says whether other processes can wake it."""

    def __init__(self, notified: Callable[[], bool], clock: Callable[[], float] = time.monotonic) -> None:
        self._notified = notified
        self._clock = clock
        self._failures = 0
        self._busy_until = float("-inf")

    def after(self, progress: Progress) -> float:
        """Seconds to wait; after a failure exponentially longer, with jitter."""
        if progress in _BACK_OFF:
            first, longest = _BACK_OFF[progress]
            ceiling = min(longest, first * 2.0 ** min(self._failures, 16))
            self._failures += 1
            return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - jitter
        self._failures = 0
        if progress in {Progress.DELIVERED, Progress.NO_ROOM}:
            self._busy_until = self._clock() + BUSY_FOR_S
            return NO_ROOM_S if progress is Progress.NO_ROOM else 0.0
        if progress is Progress.STANDBY:
            return STANDBY_S
        return POLL_S if self._notified() or self._clock() > self._busy_until else BUSY_POLL_S


class Relay:
    """The loop around :class:`RelayEvents`. Polling is the truth; waking only makes it fast."""

    def __init__(
        self,
        relay_events: RelayEvents,
        clean_up: CleanUpOutbox,
        pace: Pace,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._relay_events = relay_events
        self._clean_up = clean_up
        self._pace = pace
        self._on_progress = on_progress
        self._wake = asyncio.Event()
        self._stop = asyncio.Event()
        self._next_clean_up = 0.0
        self.leading = False

    def wake(self) -> None:
        """Say that something was committed. It changes nothing for a relay that stands by or backs off."""
        self._wake.set()

    def stop(self) -> None:
        """Ask the loop to end after the batch in hand."""
        self._stop.set()
        self._wake.set()

    async def run(self) -> None:
        """Relay until stopped, then give up the lease."""
        while not self._stop.is_set():
            self._wake.clear()
            progress = await self._round()
            if delay := self._pace.after(progress):
                await self._pause(progress, delay)
        with suppress(Unavailable):
            await self._relay_events.resign()
        self._tell(Progress.STANDBY)

    async def _round(self) -> Progress:
        try:
            progress = await self._relay_events()
            self._tell(progress)
            if self.leading:
                await self._clean_up_in_time()
        except Unavailable:
            log.warning("relay.database_unavailable")
            self._tell(Progress.STANDBY)  # whoever reaches the database may lead by now
            progress = Progress.FAILED
        except Exception:
            # The loop must outlive a mistake: an event that is owed can't wait for a restart.
            log.exception("relay.round_failed")
            progress = Progress.FAILED
        return progress

    def _tell(self, progress: Progress) -> None:
        leading = progress is not Progress.STANDBY
        if leading is not self.leading:
            log.info("relay.leads" if leading else "relay.stands_by")
        self.leading = leading
        self._on_progress(progress)

    async def _pause(self, progress: Progress, delay: float) -> None:
        """Wait; only an idle relay can be woken, for a commit does not end a fault."""
        awaited = self._wake if progress is Progress.IDLE else self._stop
        with suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await awaited.wait()

    async def _clean_up_in_time(self) -> None:
        now = time.monotonic()
        if now < self._next_clean_up:
            return
        self._next_clean_up = now + CLEAN_UP_S
        with suppress(Unavailable):
            if await self._clean_up():
                self._next_clean_up = now + CLEAN_UP_MORE_S
