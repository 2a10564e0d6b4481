"""Runs the relay: wakes on a commit or a tick, works until nothing is due, backs off on failure, stops cleanly."""

import asyncio
import random
from contextlib import suppress

import structlog

from application.realtime.relay_events import Progress, RelayEvents
from domain.errors import Unavailable

POLL_S = 0.5
BACKOFF_MAX_S = 30.0

log = structlog.get_logger(__name__)


class Relay:
    """The loop around :class:`RelayEvents`. Polling is the truth; waking only makes it fast."""

    def __init__(self, relay_events: RelayEvents) -> None:
        self._relay_events = relay_events
        self._wake = asyncio.Event()
        self._stop = asyncio.Event()
        self._failures = 0

    def wake(self) -> None:
        """Say that something was committed."""
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
            if progress is not Progress.DELIVERED:
                await self._pause(progress)
        with suppress(Unavailable):
            await self._relay_events.resign()

    async def _round(self) -> Progress:
        try:
            progress = await self._relay_events()
        except Unavailable:
            progress = Progress.FAILED
        except Exception:
            # The loop must outlive a mistake: an event that is owed can't wait for a restart.
            log.exception("relay.round_failed")
            progress = Progress.FAILED
        self._failures = self._failures + 1 if progress is Progress.FAILED else 0
        if progress is Progress.FAILED:
            log.warning("relay.not_delivered", failures=self._failures)
        return progress

    async def _pause(self, progress: Progress) -> None:
        """Wait for work; after a failure exponentially longer, with jitter, whatever is committed meanwhile."""
        if progress is Progress.FAILED:
            ceiling = min(BACKOFF_MAX_S, POLL_S * 2**self._failures)
            delay, awaited = random.uniform(ceiling / 2, ceiling), self._stop  # noqa: S311 - jitter
        else:
            delay, awaited = POLL_S, self._wake
        with suppress(TimeoutError):
            await asyncio.wait_for(awaited.wait(), delay)
