"""The pool of connections for money and hot reads: who came first is served first, and nobody waits for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import asyncpg

from domain.errors import DomainError, Unavailable
from infrastructure.postgres.errors import domain_error

ACQUIRE_TIMEOUT_S: Final = 3.0
DEADLINE_S: Final = 4.5
"""What the database has not done by then is given up, so that the caller hears of it within five seconds."""
IDLE_S: Final = 300.0
"""How long a connection is kept that nobody wants."""

PLANNED_ONCE: Final = (
    "plan_cache_mode = force_generic_plan",
    *("enable_seqscan = off", "enable_hashjoin = off", "enable_mergejoin = off"),
    "jit = off",  # the price of a scan that can't be avoided, as of the one row of the epoch, would turn it on
)
"""Settings with which a statement is planned once for each connection, and finds its rows by an index.

Planned anew for each length of its arrays a read would cost the server two to four times as much; and a plan that was
made while a table was small must not read all of it when it has grown.
"""


class Pool(asyncpg.Pool):
    """asyncpg's pool, in which nobody is passed by.

    Its own queue wakes who has waited longest, but whoever comes before they run takes the connection, and they wait
    again behind all others: with more requests than connections a few of them wait many times as long as most.
    """

    def __init__(self, size: int, **options: Any) -> None:
        super().__init__(
            min_size=0,
            max_size=size,
            max_queries=50_000,
            max_inactive_connection_lifetime=IDLE_S,
            loop=None,
            connection_class=asyncpg.Connection,
            record_class=asyncpg.Record,
            reset=_no_reset,
            **options,
        )
        self.turns = asyncio.Semaphore(size)


async def _no_reset(_: object) -> None:
    """Leave a returned connection as it is: it keeps its settings, and no statement of ours changes session state."""


async def plan_once(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Give a new *connection* the settings of :data:`PLANNED_ONCE`."""
    await connection.execute("; ".join(f"set {setting}" for setting in PLANNED_ONCE))


@asynccontextmanager
async def map_database_errors(deadline: float = DEADLINE_S) -> AsyncIterator[None]:
    """Raise domain errors in place of what the driver raises inside, and Unavailable after *deadline* seconds."""
    try:
        async with asyncio.timeout(deadline):
            yield
    except DomainError:
        raise
    except Exception as error:
        meaning = domain_error(error)
        if meaning is None:
            raise
        raise meaning from error


@asynccontextmanager
async def acquire_connection(
    pool: Pool, deadline: float = DEADLINE_S
) -> AsyncIterator["asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"]:
    """A connection of *pool* until the block ends, *deadline* seconds at most, as in :func:`map_database_errors`.

    A connection whose work was cut off (deadline, cancellation) is closed at once: waiting for a server that does
    not answer would hold up its place in the pool. The server rolls back by itself when it notices.

    Raises:
        Unavailable: there was no connection in time, whatever the server or a pooler said, or the work took too long.
    """
    async with map_database_errors(deadline):
        try:
            # Not the pool's own timeout, which makes a task for each connection that is taken.
            async with asyncio.timeout(ACQUIRE_TIMEOUT_S):
                await pool.turns.acquire()
                try:
                    connection = await pool.acquire()
                except BaseException:
                    pool.turns.release()
                    raise
        except Exception as error:
            raise Unavailable from error
        try:
            yield connection
        except (asyncio.CancelledError, TimeoutError):
            connection.terminate()
            raise
        finally:
            try:
                with suppress(OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
                    await pool.release(connection)
            finally:
                pool.turns.release()
