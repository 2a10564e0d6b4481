"""Reads that share a statement: as fresh as one's own, and nobody is hurt by a neighbour."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Unavailable
from infrastructure.postgres import shared_reads
from infrastructure.postgres.shared_reads import SharedReads

pytestmark = pytest.mark.anyio


class Table:
    """A table that is read when its gate opens, and remembers what it was asked in each statement."""

    def __init__(self, rows: dict[str, int]) -> None:
        self.rows = rows
        self.asked: list[list[str]] = []
        self.gate = asyncio.Event()
        self.error: Exception | None = None

    async def read(self, _: None, keys: Sequence[str]) -> Mapping[str, int]:
        self.asked.append(list(keys))
        seen = {key: self.rows[key] for key in keys if key in self.rows}
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return seen


async def _turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_lone_request_goes_at_once() -> None:
    table = Table({"a": 1})
    table.gate.set()

    assert await SharedReads(nullcontext, table.read).get("a") == 1
    assert table.asked == [["a"]]


async def test_what_is_not_there_is_none() -> None:
    table = Table({})
    table.gate.set()

    assert await SharedReads(nullcontext, table.read).get("a") is None


async def test_those_who_come_while_one_is_under_way_share_the_next() -> None:
    table = Table({"a": 1, "b": 2, "c": 3})
    reads = SharedReads(nullcontext, table.read, lanes=1)
    first = asyncio.create_task(reads.get("a"))
    await _turns()
    others = [asyncio.create_task(reads.get(key)) for key in ("b", "c", "b")]
    await _turns()
    table.gate.set()

    assert [await first, *[await other for other in others]] == [1, 2, 3, 2]
    assert table.asked == [["a"], ["b", "c"]]


async def test_an_answer_is_never_older_than_its_request() -> None:
    """The row changes while a statement is under way: who asks afterwards sees the change, though the key is equal."""
    table = Table({"a": 1})
    reads = SharedReads(nullcontext, table.read, lanes=1)
    before = asyncio.create_task(reads.get("a"))
    await _turns()
    table.rows["a"] = 2
    after = asyncio.create_task(reads.get("a"))
    await _turns()
    table.gate.set()

    assert (await before, await after) == (1, 2)


async def test_a_statement_has_a_bounded_size() -> None:
    table = Table({})
    reads = SharedReads(nullcontext, table.read, lanes=1, most=2)
    asked = [asyncio.create_task(reads.get(str(number))) for number in range(5)]
    await _turns()
    table.gate.set()
    await asyncio.gather(*asked)

    assert [len(keys) for keys in table.asked] == [2, 2, 1]


async def test_who_leaves_takes_nobody_along() -> None:
    table = Table({"a": 1})
    reads = SharedReads(nullcontext, table.read)
    leaving, staying = (asyncio.create_task(reads.get("a")) for _ in range(2))
    await _turns()
    leaving.cancel()
    await _turns()
    table.gate.set()

    assert await staying == 1
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_an_error_reaches_those_who_asked_and_the_next_go_on() -> None:
    table = Table({"a": 1})
    table.error = Unavailable()
    reads = SharedReads(nullcontext, table.read)
    asked = [asyncio.create_task(reads.get("a")) for _ in range(2)]
    await _turns()
    table.gate.set()

    for request in asked:
        with pytest.raises(Unavailable):
            await request
    table.error = None
    assert await reads.get("a") == 1


async def test_nobody_waits_longer_than_clients_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_reads, "PATIENCE_S", 0.01)

    table = Table({})

    with pytest.raises(Unavailable):
        await SharedReads(nullcontext, table.read).get("a")
    table.gate.set()  # the statement ends late, and nobody misses it
    await _turns()


async def test_who_comes_later_may_wait_as_long_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_reads, "PATIENCE_S", 0.2)
    table = Table({})
    clock, reads = asyncio.get_running_loop().time, SharedReads(nullcontext, table.read)
    ended: dict[str, float] = {}

    async def wait(name: str) -> None:
        begun = clock()
        with pytest.raises(Unavailable):
            await reads.get(name)
        ended[name] = clock() - begun

    first = asyncio.create_task(wait("a"))
    await asyncio.sleep(0.15)
    await asyncio.gather(first, wait("b"))

    table.gate.set()  # the statements end late, and nobody misses them
    await _turns()
    assert all(0.19 < waited < 20 for waited in ended.values()), ended


@given(st.lists(st.lists(st.integers(0, 9), max_size=8), max_size=8), st.integers(1, 3), st.integers(1, 4))
def test_everybody_gets_the_answer_to_their_own_question(
    waves: list[list[int]], lanes: int, most: int
) -> None:
    async def run() -> None:
        async def read(_: None, keys: Sequence[int]) -> Mapping[int, int]:
            assert len(set(keys)) == len(keys) <= most
            await asyncio.sleep(0)
            return {key: key * key for key in keys if key != 7}

        reads = SharedReads(nullcontext, read, lanes=lanes, most=most)
        asked = []
        for wave in waves:
            asked += [(number, asyncio.create_task(reads.get(number))) for number in wave]
            await asyncio.sleep(0)
        for number, request in asked:
            assert await request == (None if number == 7 else number * number)

    asyncio.run(run())
