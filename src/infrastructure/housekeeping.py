"""Runs the clean-up of keys beside the routes: now and then, in every process, and never in anybody's way."""

import asyncio
import random
from contextlib import suppress

import structlog

from application.wallet.forget_keys import ForgetKeys
from domain.errors import Unavailable

EVERY_S = 600.0

log = structlog.get_logger(__name__)


class Housekeeping:
    """The loop around :class:`ForgetKeys`; rounds are ten minutes apart, give or take half."""

    def __init__(self, forget_keys: ForgetKeys) -> None:
        self._forget_keys = forget_keys
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Ask the loop to end after the round in hand."""
        self._stop.set()

    async def run(self) -> None:
        """Clean up until stopped."""
        while not self._stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), random.uniform(0.5, 1.5) * EVERY_S)  # noqa: S311 - jitter
                break
            await self._round()

    async def _round(self) -> None:
        try:
            forgotten = await self._forget_keys()
        except Unavailable:
            return  # the next round goes on
        except Exception:
            # The loop must outlive a mistake of ours.
            log.exception("housekeeping.round_failed")
            return
        if forgotten:
            log.info("housekeeping.keys_forgotten", keys=forgotten)
