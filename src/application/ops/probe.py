"""A question that never keeps who asks it waiting, whatever becomes of the one who should answer."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Probe(Generic[T]):
    """Asks *question*, one at a time: who asks meanwhile shares the answer, and nobody waits longer than *patience*.

    A question that takes longer is not cancelled (a connection that freezes can't be cancelled either): it ends by
    its own deadline, and until then it is not asked again.
    """

    def __init__(self, question: Callable[[], Awaitable[T]], patience: float) -> None:
        self._question = question
        self._patience = patience
        self._asked: asyncio.Task[T] | None = None

    async def __call__(self) -> T:
        """The answer.

        Raises:
            TimeoutError: there was none within *patience* seconds.
            Exception: whatever the question raises.
        """
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(self._ask(), name="probe")
            self._asked.add_done_callback(lambda task: task.cancelled() or task.exception())
        asked = self._asked
        await asyncio.wait({asked}, timeout=self._patience)
        if not asked.done():
            raise TimeoutError
        return asked.result()

    async def _ask(self) -> T:
        return await self._question()
