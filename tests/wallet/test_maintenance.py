"""The clean-up beside the routes: it goes on after trouble, and stops when asked."""

import asyncio
from datetime import datetime
from decimal import Decimal

import pytest

from application.idempotency import BATCH, purge_idempotency_keys
from domain.errors import Unavailable
from infrastructure import maintenance
from infrastructure.maintenance import MaintenanceWorker

pytestmark = pytest.mark.anyio


class MemoryKeys:
    """Steps that were prepared: a number of old keys, or trouble."""

    def __init__(self, *steps: int | Exception) -> None:
        self._steps = list(steps)
        self.limits: list[int] = []
        self.done = asyncio.Event()

    async def purge(self, limit: int) -> int:
        self.limits.append(limit)
        step = self._steps.pop(0) if self._steps else 0
        if not self._steps:
            self.done.set()
        if isinstance(step, Exception):
            raise step
        return step


async def test_a_round_goes_on_until_a_step_is_not_full() -> None:
    keys = MemoryKeys(BATCH, BATCH, 3)

    assert await purge_idempotency_keys(keys) == 2 * BATCH + 3
    assert keys.limits == [BATCH] * 3


class MemoryBooks:
    """Books that have trouble at first, and then balance."""

    def __init__(self, *troubles: Exception) -> None:
        self.troubles = list(troubles)
        self.days = 2

    async def sum_day(self) -> bool:
        """There are two days to sum."""
        if self.troubles:
            raise self.troubles.pop()
        self.days -= 1
        return self.days >= 0

    async def imbalance(self) -> Decimal:
        """None."""
        return Decimal(0)


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
    keys = MemoryKeys(trouble, 1)
    books = MemoryBooks(trouble)
    loop = MaintenanceWorker(keys, books, NoLegacyTokens(), lambda: None)
    running = asyncio.create_task(loop.run())

    await asyncio.wait_for(keys.done.wait(), 10)
    loop.stop()
    await asyncio.wait_for(running, 10)

    assert len(keys.limits) >= 2
    assert books.days >= 1
