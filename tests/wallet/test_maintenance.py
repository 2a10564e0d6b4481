"""The clean-up beside the routes: it goes on after trouble, and stops when asked."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import pytest

from domain.errors import Unavailable
from infrastructure.postgres import maintenance
from infrastructure.postgres.maintenance import BATCH, MaintenanceWorker, purge_idempotency_keys

pytestmark = pytest.mark.anyio


class MemoryKeys:
    """Steps that were prepared: a number of old keys, or trouble."""

    def __init__(self, *steps: int | Exception) -> None:
        self._steps = list(steps)
        self.limits: list[int] = []

    async def purge(self, limit: int) -> int:
        self.limits.append(limit)
        step = self._steps.pop(0) if self._steps else 0
        if isinstance(step, Exception):
            raise step
        return step


async def test_a_round_goes_on_until_a_step_is_not_full() -> None:
    keys = MemoryKeys(BATCH, BATCH, 3)

    assert await purge_idempotency_keys(keys) == 2 * BATCH + 3
    assert keys.limits == [BATCH] * 3


class MemoryBooks:
    """Books that have trouble at first, and then two days to sum; when both are, *summed* is called."""

    def __init__(self, trouble: Exception) -> None:
        self.steps: list[Exception | bool] = [trouble, True, True, False]
        self.summed: Callable[[], None] = lambda: None

    async def sum_day(self) -> bool:
        """What comes next."""
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        if not step:
            self.summed()
        return step


class NoLegacyTokens:
    """A deployment without the legacy secret: nothing is ever recorded."""

    async def record(self, accepted_at: datetime) -> None:
        raise AssertionError(accepted_at)


async def test_a_round_is_bounded() -> None:
    keys = MemoryKeys(*([BATCH] * 1000))

    assert await purge_idempotency_keys(keys) == 100_000


@pytest.mark.parametrize("trouble", [Unavailable(), RuntimeError("a mistake")])
async def test_the_loop_outlives_trouble_and_stops_when_asked(
    monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    monkeypatch.setattr(maintenance, "EVERY_S", 0.001)
    keys, books = MemoryKeys(trouble, 1), MemoryBooks(trouble)
    loop = MaintenanceWorker(keys, books, NoLegacyTokens(), lambda: None)
    books.summed = loop.stop

    await asyncio.wait_for(loop.run(), 60)

    # The keys' trouble ends the first round, the books' the second: the third purges again, and sums both days.
    assert keys.limits == [BATCH] * 3
    assert books.steps == []


async def test_a_loop_that_is_asked_to_stop_ends_after_the_step_in_hand(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A round may take minutes, and a platform waits for half of one."""
    monkeypatch.setattr(maintenance, "EVERY_S", 0.001)
    keys, books = MemoryKeys(*([BATCH] * 1000)), MemoryBooks(RuntimeError("nobody asks"))
    loop = MaintenanceWorker(keys, books, NoLegacyTokens(), lambda: None)
    purge = keys.purge

    async def purge_and_stop(limit: int) -> int:
        loop.stop()
        return await purge(limit)

    monkeypatch.setattr(keys, "purge", purge_and_stop)

    await asyncio.wait_for(loop.run(), 60)

    assert keys.limits == [BATCH]
    assert len(books.steps) == 4
