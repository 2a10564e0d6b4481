"""Counters of requests: in this process, or in a Valkey or Redis that all replicas share."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import structlog

PATIENCE_S: Final = 0.25
"""How long one request waits for the shared counter."""
RETRY_S: Final = 1.0
REPORT_S: Final = 60.0

log = structlog.get_logger(__name__)


class LocalCounter:
    """Counts in this process.

    Two generations of counts: with the first request of a new one the older is dropped whole, so memory holds those
    who asked lately, and a request costs the same however many they are. (``limits``' own memory storage walks
    through all its keys at each request.)
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends = 0.0
        self._counts: dict[str, int] = {}
        self._previous: dict[str, int] = {}

    async def __call__(self, key: str, seconds: int) -> int:
        """How often *key* was counted with this time; it is kept for *seconds* at least."""
        now = self._clock()
        if now >= self._ends:
            self._previous, self._counts = self._counts, {}
            self._ends = now + seconds
        count = self._counts[key] = self._counts.get(key, self._previous.get(key, 0)) + 1
        return count


class SharedCounter:
    """Counts in the Valkey or Redis at *url*, atomically and in one round trip.

    While it does not answer each process counts for itself, which the log says once a minute; it is looked for each
    second, beside the requests, and used again as soon as it answers.
    """

    def __init__(self, url: str) -> None:
        from limits.aio.storage import RedisStorage  # noqa: PLC0415 - imported where there is something to share

        self._storage = RedisStorage(
            f"async+{url.replace('valkey', 'redis', 1)}",
            implementation="redispy",
            socket_timeout=PATIENCE_S,
            socket_connect_timeout=PATIENCE_S,
        )
        self._local = LocalCounter()
        self._search: asyncio.Task[None] | None = None
        self._reported = -REPORT_S

    async def __call__(self, key: str, seconds: int) -> int:
        """How often *key* was counted with this time; it is kept for *seconds* at least."""
        if self._search is None:
            try:
                async with asyncio.timeout(PATIENCE_S):
                    return await self._storage.incr(key, seconds)
            except Exception as error:
                self._report(error)
                self._begin_search()
        return await self._local(key, seconds)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._search is not None:
            self._search.cancel()
            with suppress(asyncio.CancelledError):
                await self._search
        bridge: Any = self._storage.bridge
        await bridge.get_connection().aclose()

    def _begin_search(self) -> None:
        """Of several requests that waited at once, the first begins it."""
        if self._search is None:
            self._search = asyncio.create_task(self._look_for_it(), name="rate limits")

    async def _look_for_it(self) -> None:
        while True:
            await asyncio.sleep(RETRY_S)
            try:
                async with asyncio.timeout(PATIENCE_S):
                    if await self._storage.check():
                        break
            except Exception as error:
                self._report(error)
        self._search = None
        log.info("rate_limits.counting_together")

    def _report(self, error: Exception) -> None:
        now = time.monotonic()
        if now - self._reported >= REPORT_S:
            self._reported = now
            log.warning("rate_limits.counting_alone", cause=f"{type(error).__name__}: {error}")
