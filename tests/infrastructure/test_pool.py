"""Connections go to who came first, also while others come all the time."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from domain.errors import Unavailable
from infrastructure.postgres import connections, vault
from infrastructure.postgres import pool as pools
from infrastructure.postgres.connections import create_engine, create_pool
from infrastructure.postgres.pool import Pool, acquire_connection
from infrastructure.postgres.vault import vault_readers
from support.database import Database

pytestmark = pytest.mark.anyio


async def test_nobody_who_comes_later_is_served_before(database: Database) -> None:
    async with create_pool(database.service, 1) as pool:
        await _serves_in_order(lambda: acquire_connection(pool))


async def test_nobody_who_comes_later_reads_a_list_before(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (connections, vault):
        monkeypatch.setattr(module, "LIST_CONNECTIONS", 1)
    engine = create_engine(database.service)
    await _serves_in_order(vault_readers(engine))
    await engine.dispose()


async def _serves_in_order(take: Callable[[], AbstractAsyncContextManager[object]]) -> None:
    """Requests come one by one, some of them between the moment a connection is free and the one it is taken."""
    served: list[int] = []

    async def come(number: int) -> None:
        async with take():
            served.append(number)
            await asyncio.sleep(0)

    coming = []
    for number in range(300):
        coming.append(asyncio.create_task(come(number)))
        await asyncio.sleep(0)
        if number % 10 == 0:
            await coming[number // 2]
    await asyncio.gather(*coming)

    assert served == sorted(served)


async def test_who_gave_up_waiting_leaves_their_turn_to_the_next(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with create_pool(database.service, 1) as pool:
        async with acquire_connection(pool):
            with monkeypatch.context() as patch:
                patch.setattr(pools, "ACQUIRE_TIMEOUT_S", 0.05)
                with pytest.raises(Unavailable):
                    await _served(pool)
            leaving = asyncio.ensure_future(_served(pool))
            await asyncio.sleep(0)
            leaving.cancel()
            await asyncio.wait({leaving})

        assert await _served(pool)


async def test_a_turn_ends_however_the_work_does(database: Database) -> None:
    async with create_pool(database.service, 1) as pool:
        with pytest.raises(ZeroDivisionError):
            async with acquire_connection(pool):
                raise ZeroDivisionError
        with pytest.raises(Unavailable):
            async with acquire_connection(pool):
                raise TimeoutError

        assert await _served(pool)


async def _served(pool: Pool) -> bool:
    async with acquire_connection(pool) as connection:
        return await connection.fetchval("select true") is True
