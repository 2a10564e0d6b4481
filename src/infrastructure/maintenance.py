"""Housekeeping beside the routes (keys, books): now and then, in every process, and never in anybody's way."""

import asyncio
import random
from contextlib import suppress

import structlog

from application.idempotency import IdempotencyKeys, purge_idempotency_keys
from application.wallet.reconcile_ledger import Books, sum_days
from domain.errors import Unavailable

EVERY_S = 600.0

log = structlog.get_logger(__name__)


class MaintenanceWorker:
    """The loop around what is cleaned up and summed; rounds are ten minutes apart, give or take half."""

    def __init__(self, keys: IdempotencyKeys, books: Books) -> None:
        self._keys = keys
        self._books = books
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
            purged = await purge_idempotency_keys(self._keys)
            days = await sum_days(self._books)
        except Unavailable:
            return  # the next round goes on
        except Exception:
            # The loop must outlive a mistake of ours.
            log.exception("maintenance.round_failed")
            return
        if purged:
            log.info("maintenance.keys_purged", keys=purged)
        if days:
            log.info("maintenance.days_summed", days=days)
