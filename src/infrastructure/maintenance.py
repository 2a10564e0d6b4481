"""Housekeeping beside the routes (keys, books, old tokens): now and then, in every process, never in anybody's way."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Protocol

import structlog

from application.idempotency import IdempotencyKeys, purge_idempotency_keys
from application.wallet.reconcile_ledger import Books, sum_days
from domain.errors import Unavailable

EVERY_S = 600.0

log = structlog.get_logger(__name__)


class LegacyTokens(Protocol):
    """What the deployment knows of tokens under the project's legacy secret."""

    async def record(self, accepted_at: datetime) -> None:
        """Keep that one was accepted at *accepted_at* (UTC), unless a later time is known.

        Raises:
            Unavailable: the database does not answer.
        """
        ...


class MaintenanceWorker:
    """The loop around what is cleaned up and summed; rounds are ten minutes apart, give or take half.

    *legacy_accepted_at* says when this process last accepted a token under the legacy secret.
    """

    def __init__(
        self,
        keys: IdempotencyKeys,
        books: Books,
        legacy_tokens: LegacyTokens,
        legacy_accepted_at: Callable[[], datetime | None],
    ) -> None:
        self._keys = keys
        self._books = books
        self._legacy_tokens = legacy_tokens
        self._legacy_accepted_at = legacy_accepted_at
        self._recorded: datetime | None = None
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
            await self._record_legacy_tokens()
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

    async def _record_legacy_tokens(self) -> None:
        accepted_at = self._legacy_accepted_at()
        if accepted_at is not None and accepted_at != self._recorded:
            await self._legacy_tokens.record(accepted_at)
            self._recorded = accepted_at
