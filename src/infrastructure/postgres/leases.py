"""One connection for a bounded time: nothing waits longer than clients do, and no broken one is handed out twice."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg

from infrastructure.postgres.errors import translated

ACQUIRE_TIMEOUT_S = 3.0


@asynccontextmanager
async def leased(pool: asyncpg.Pool) -> AsyncIterator["asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"]:
    """A connection of *pool* until the block ends; the deadline of :func:`translated` holds for all of it.

    A connection whose work was cut off (deadline, cancellation) is closed at once: waiting for a server that does
    not answer would hold up its place in the pool. The server rolls back by itself when it notices.

    Raises:
        Unavailable: there was no connection in time, or the work took too long.
    """
    async with translated():
        connection = await pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
        try:
            yield connection
        except (asyncio.CancelledError, TimeoutError):
            connection.terminate()
            raise
        finally:
            with suppress(OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
                await pool.release(connection)
