"""Reads of one shape that share a statement while another is under way: what costs is the trip, not the row.

A statement begins after each of its requests came, so a shared read is as fresh as one of its own. Nothing is kept:
an answer goes to those who waited before its statement began, and to nobody else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Final, Generic, TypeVar

from domain.errors import Unavailable

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

LANES: Final = 2
"""Statements of one shape under way at a time: with one alone, a request would wait for a whole trip before its own."""
MOST: Final = 64
"""Keys of one statement; what waits beyond that goes with the next."""
PATIENCE_S: Final = 4.5
"""How long a request waits for its answer, its place in a lane included: clients wait five seconds."""


class SharedReads(Generic[K, V]):
    """Looks up keys by *read*, which gets several of them at once and answers with what it found.

    A lone request goes at once: there is no timer. A request that is cancelled leaves the others alone.
    """

    def __init__(
        self, read: Callable[[Sequence[K]], Awaitable[Mapping[K, V]]], *, lanes: int = LANES, most: int = MOST
    ) -> None:
        self._read = read
        self._lanes = lanes
        self._most = most
        self._waiting: dict[K, asyncio.Future[V | None]] = {}
        self._running: set[asyncio.Task[None] | None] = set()

    async def get(self, key: K) -> V | None:
        """What *key* stands for; None where there is nothing. Requests with an equal key share the answer.

        Raises:
            Unavailable: there was no answer in time.
            and what the read raises, to each of its requests.
        """
        answer = self._waiting.get(key)
        if answer is None:
            answer = self._waiting[key] = asyncio.get_running_loop().create_future()
            if len(self._running) < self._lanes:
                self._running.add(asyncio.create_task(self._lane(), name="shared reads"))
        try:
            async with asyncio.timeout(PATIENCE_S):
                # Shielded, because somebody else may wait for the same answer.
                return await asyncio.shield(answer)
        except TimeoutError as error:
            raise Unavailable from error

    async def _lane(self) -> None:
        """Read for those who wait, until nobody does."""
        try:
            while self._waiting:
                await self._share()
        finally:
            # Here, with no turn of the loop since nobody waited: who comes next starts a lane of their own.
            self._running.discard(asyncio.current_task())

    async def _share(self) -> None:
        """One statement, for as many as it takes."""
        asked = {key: self._waiting.pop(key) for key in list(self._waiting)[: self._most]}
        try:
            found = await self._read(list(asked))
        except Exception as error:  # raised again by everybody who asked
            for answer in asked.values():
                answer.set_exception(error)
                answer.exception()  # seen, even where everybody who asked has gone
        else:
            for key, answer in asked.items():
                answer.set_result(found.get(key))
