"""Housekeeping beside the routes (keys, books, old tokens): now and then, in every process, never in anybody's way."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Final, Protocol

import structlog

from application.idempotency import IDEMPOTENCY_KEY_TTL, NOT_FOUND_KEY_TTL
from domain.errors import Unavailable
from infrastructure.postgres.pool import Pool, acquire_connection

EVERY_S: Final = 600.0
BATCH: Final = 500
MAX_BATCHES: Final = 200
MAX_DAYS: Final = 100
"""How many days are summed in one round."""

_PURGE: Final = """
with old as materialized (
  select user_id, key from private.idempotency_keys
  where created_at < now() - $1::interval
  order by created_at limit $3 for update skip locked
), not_found as materialized (
  select user_id, key from private.idempotency_keys
  where status = 404 and created_at between now() - $1::interval and now() - $2::interval
  order by created_at limit $3 for update skip locked
), gone as (
  delete from private.idempotency_keys k
  using (select * from old union all select * from not_found limit $3) o
  where (k.user_id, k.key) = (o.user_id, o.key)
  returning true
)
select count(*) from gone
"""
# Processes write whatever they saw; the newest counts.
_RECORD: Final = "update private.legacy_tokens set last_accepted_at = $1 where last_accepted_at < $1"

log = structlog.get_logger(__name__)


class IdempotencyKeys(Protocol):
    """The idempotency keys of everybody."""

    async def purge(self, limit: int) -> int:
        """Delete at most *limit* keys whose time is over by the database's clock; how many were deleted.

        Keys that another process is deleting are passed over.

        Raises:
            Unavailable: the database does not answer; nothing is lost.
        """
        ...


class Books(Protocol):
    """The books of everybody, day by day."""

    async def sum_day(self) -> bool:
        """Sum the first day that is over and not summed yet; whether there was one.

        Raises:
            Unavailable: the database does not answer.
        """
        ...


class LegacyTokens(Protocol):
    """What the deployment knows of tokens under the project's legacy secret."""

    async def record(self, accepted_at: datetime) -> None:
        """Keep that one was accepted at *accepted_at* (UTC), unless a later time is known.

        Raises:
            Unavailable: the database does not answer.
        """
        ...


class PostgresIdempotencyKeys:
    """:class:`IdempotencyKeys` on the shared database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def purge(self, limit: int) -> int:
        """See the protocol: one statement."""
        async with acquire_connection(self._pool) as connection:
            arguments = (IDEMPOTENCY_KEY_TTL, NOT_FOUND_KEY_TTL, limit)
            return int(await connection.fetchval(_PURGE, *arguments))


class PostgresLegacyTokens:
    """:class:`LegacyTokens` on the shared database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def record(self, accepted_at: datetime) -> None:
        """See the protocol: one statement."""
        async with acquire_connection(self._pool) as connection:
            await connection.execute(_RECORD, accepted_at)


def _never() -> bool:
    return False


async def purge_idempotency_keys(keys: IdempotencyKeys, ends: Callable[[], bool] = _never) -> int:
    """Delete what is due, at most 100 000 keys a run, or until *ends*; how many were deleted.

    In small steps, each a transaction of its own, so that no request ever waits for it. Any number of processes may
    run it at once: they share the work.

    Raises:
        Unavailable: the database does not answer; the next run goes on.
    """
    purged = 0
    for _ in range(MAX_BATCHES):
        batch = await keys.purge(BATCH)
        purged += batch
        if batch < BATCH or ends():
            break
    return purged


async def sum_days(books: Books, ends: Callable[[], bool] = _never) -> int:
    """Sum what is due, each day a transaction of its own, or until *ends*; how many days.

    Any number of processes may do it at once.
    """
    days = 0
    while days < MAX_DAYS and not ends() and await books.sum_day():
        days += 1
    return days


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
        """Ask the loop to end after the step in hand."""
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
            purged = await purge_idempotency_keys(self._keys, self._stop.is_set)
            days = await sum_days(self._books, self._stop.is_set)
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
