"""Turns what PostgreSQL and the driver say into errors of the domain, and bounds how long it is waited for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import asyncpg
from sqlalchemy.exc import TimeoutError as PoolTimeout

from domain.errors import DomainError, IdempotencyKeyInProgress, SerializationConflict, Unavailable

ACQUIRE_TIMEOUT_S = 3.0
DEADLINE_S = 4.5
"""What the database has not done by then is given up, so that the caller hears of it within five seconds."""

_CONFLICTS = {"40001", "40P01"}
# Connection, resources, operator intervention and system errors; then a lock or a statement that took too long,
# and a server that only reads. What goes wrong while connecting is not judged by its state: see acquire_connection.
_UNAVAILABLE_CLASSES = ("08", "53", "57", "58")
_UNAVAILABLE_STATES = {"55P03", "25006", "25P03"}


def domain_error(error: BaseException) -> DomainError | None:
    """The domain error that *error*, or what caused it, means; None where it means a mistake of ours.

    A violated constraint of ours is such a mistake: the domain decides before it, under the same locks.
    """
    cause: BaseException | None = error
    while cause is not None:
        if meaning := _meaning(cause):
            return meaning
        cause = cause.__cause__
    return None


def _meaning(error: BaseException) -> DomainError | None:
    if isinstance(error, DomainError):
        return error
    if isinstance(error, asyncpg.InvalidCachedStatementError):
        return SerializationConflict()  # a migration ran; the driver has dropped its plans by now
    if isinstance(error, asyncpg.PostgresError):
        return _of_state(error, error.sqlstate or "")
    if isinstance(error, OSError | TimeoutError | asyncpg.InterfaceError | PoolTimeout):
        return Unavailable()
    return None


def _of_state(error: asyncpg.PostgresError, state: str) -> DomainError | None:
    if state in _CONFLICTS:
        return SerializationConflict()
    if state == "55P03" and "idempotency_keys" in str(getattr(error, "context", "")):
        # The claim of a key waits on the unique index for the first request with it.
        return IdempotencyKeyInProgress()
    if state in _UNAVAILABLE_STATES or state.startswith(_UNAVAILABLE_CLASSES):
        return Unavailable()
    return None


@asynccontextmanager
async def map_database_errors() -> AsyncIterator[None]:
    """Raise domain errors in place of what the driver raises inside, and Unavailable after ``DEADLINE_S``."""
    try:
        async with asyncio.timeout(DEADLINE_S):
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
    pool: asyncpg.Pool,
) -> AsyncIterator["asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"]:
    """A connection of *pool* until the block ends; the deadline of :func:`map_database_errors` holds for all of it.

    A connection whose work was cut off (deadline, cancellation) is closed at once: waiting for a server that does
    not answer would hold up its place in the pool. The server rolls back by itself when it notices.

    Raises:
        Unavailable: there was no connection in time, whatever the server or a pooler said, or the work took too long.
    """
    async with map_database_errors():
        try:
            connection = await pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
        except Exception as error:
            raise Unavailable from error
        try:
            yield connection
        except (asyncio.CancelledError, TimeoutError):
            connection.terminate()
            raise
        finally:
            with suppress(OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
                await pool.release(connection)
