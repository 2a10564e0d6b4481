"""Reads of one shape that share a statement while another is under way: what costs is the trip, not the row.

A statement begins after each of its requests came, so a shared read is as fresh as one of its own. Nothing is kept:
an answer goes to those who waited before its statement began, and to nobody else.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import chain
from typing import Final, Generic, TypeVar

from domain.errors import Unavailable

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
C = TypeVar("C")

LANES: Final = 2
"""Statements of one shape under way at a time: with one alone, a request would wait for a whole trip before its own."""
MOST: Final = 64
"""Keys of one statement; what waits beyond that goes with the next."""
PATIENCE_S: Final = 4.5
"""How long a request waits for its answer, its place in a lane included: clients wait five seconds."""


KEPT_S: Final = 1.0
"""How long a busy lane keeps its connection: to get one and to give it back costs as much as a statement."""


class SharedReads(Generic[K, V]):
    """Looks up keys by *read*, which gets several of them at once and answers with what it found, on a connection.

    A lone request goes at once: there is no timer. A request that is cancelled leaves the others alone.
    """

    def __init__(
        self,
        acquire: Callable[[], AbstractAsyncContextManager[C]],
        read: Callable[[C, Sequence[K]], Awaitable[Mapping[K, V]]],
        *,
        lanes: int = LANES,
        most: int = MOST,
    ) -> None:
        self._acquire = acquire
        self._read = read
        self._lanes = lanes
        self._most = most
        self._waiting: dict[K, list[asyncio.Future[V | None]]] = {}
        self._running: set[asyncio.Task[None] | None] = set()
        self._patience: deque[tuple[float, asyncio.Future[V | None]]] = deque()  # the oldest first
        self._clock: asyncio.TimerHandle | None = None

    async def get(self, key: K) -> V | None:
        """What *key* stands for; None where there is nothing. Requests with an equal key share the answer.

        Raises:
            Unavailable: there was no answer in time.
            and what the read raises, to each of its requests.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[V | None] = loop.create_future()
        self._waiting.setdefault(key, []).append(answer)
        if len(self._running) < self._lanes:
            self._running.add(asyncio.create_task(self._lane(), name="shared reads"))
        self._patience.append((loop.time() + PATIENCE_S, answer))
        if self._clock is None:
            self._clock = loop.call_later(PATIENCE_S, self._give_up, loop)
        try:
            return await answer
        finally:
            self._forget_answered()

    def _forget_answered(self) -> None:
        while self._patience and self._patience[0][1].done():
            self._patience.popleft()

    def _give_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """One clock for all who wait, for all are as patient: it ends the waiting of those whose time is over."""
        self._clock = None
        self._forget_answered()
        while self._patience and self._patience[0][0] <= loop.time():
            _, answer = self._patience.popleft()
            if not answer.done():
                answer.set_exception(Unavailable())
        if self._patience:
            self._clock = loop.call_at(self._patience[0][0], self._give_up, loop)

    async def _lane(self) -> None:
        """Read for those who wait, until nobody does."""
        try:
            while self._waiting:
                await self._share()
        finally:
            # Here, with no turn of the loop since nobody waited: who comes next starts a lane of their own.
            self._running.discard(asyncio.current_task())

    async def _share(self) -> None:
        """Statements on one connection, each for as many as it takes."""
        asked = self._next()
        try:
            async with self._acquire() as connection:
                until = asyncio.get_running_loop().time() + KEPT_S
                while asked:
                    found = await self._read(connection, list(asked))
                    for key, answers in asked.items():
                        for answer in answers:
                            if not answer.done():  # it is, where a request has gone
                                answer.set_result(found.get(key))
                    asked = self._next() if asyncio.get_running_loop().time() < until else {}
        except Exception as error:  # raised again by everybody who asked
            for answer in chain.from_iterable(asked.values()):
                if not answer.done():
                    answer.set_exception(error)

    def _next(self) -> dict[K, list["asyncio.Future[V | None]"]]:
        return {key: self._waiting.pop(key) for key in list(self._waiting)[: self._most]}
