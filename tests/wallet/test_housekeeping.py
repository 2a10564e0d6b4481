"""The clean-up beside the routes: it goes on after trouble, and stops when asked."""

import asyncio
from datetime import timedelta

import pytest

from application.wallet.forget_keys import STEP, ForgetKeys
from domain.errors import Unavailable
from infrastructure import housekeeping
from infrastructure.housekeeping import Housekeeping

pytestmark = pytest.mark.anyio


class MemoryKeys:
    """Steps that were prepared: a number of old keys, or trouble."""

    def __init__(self, *steps: int | Exception) -> None:
        self._steps = list(steps)
        self.limits: list[int] = []
        self.done = asyncio.Event()

    async def forget(self, older_than: timedelta, limit: int) -> int:
        assert older_than == timedelta(days=30)
        self.limits.append(limit)
        step = self._steps.pop(0) if self._steps else 0
        if not self._steps:
            self.done.set()
        if isinstance(step, Exception):
            raise step
        return step


async def test_a_round_goes_on_until_a_step_is_not_full() -> None:
    keys = MemoryKeys(STEP, STEP, 3)

    assert await ForgetKeys(keys)() == 2 * STEP + 3
    assert keys.limits == [STEP] * 3


async def test_a_round_is_bounded() -> None:
    keys = MemoryKeys(*([STEP] * 1000))

    assert await ForgetKeys(keys)() == 100_000


@pytest.mark.parametrize("trouble", [Unavailable(), RuntimeError("a mistake")])
async def test_the_loop_outlives_trouble_and_stops_when_asked(
    monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    monkeypatch.setattr(housekeeping, "EVERY_S", 0.001)
    keys = MemoryKeys(trouble, 1)
    loop = Housekeeping(ForgetKeys(keys))
    running = asyncio.create_task(loop.run())

    await asyncio.wait_for(keys.done.wait(), 10)
    loop.stop()
    await asyncio.wait_for(running, 10)

    assert len(keys.limits) >= 2
