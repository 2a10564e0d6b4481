"""Turns what PostgreSQL and the driver say into errors of the domain: one place, by SQLSTATE and constraint."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy.exc import TimeoutError as PoolTimeout

from domain.errors import DomainError, IdempotencyKeyInProgress, SerializationConflict, Unavailable

DEADLINE_S = 4.5
"""What the database has not done by then is given up, so that the caller hears of it within five seconds."""

_CONFLICTS = {"40001", "40P01"}
# Connection, resources, operator intervention and system errors; then a lock or a statement that took too long,
# and a server that only reads.
_UNAVAILABLE_CLASSES = ("08", "53", "57", "58")
_UNAVAILABLE_STATES = {"55P03", "25006", "25P03"}


def translate(error: BaseException) -> DomainError | None:
    """The domain error that *error*, or what caused it, means; None where it means a mistake of ours."""
    cause: BaseException | None = error
    while cause is not None:
        if meaning := _meaning(cause):
            return meaning
        cause = cause.__cause__
    return None


def _meaning(error: BaseException) -> DomainError | None:
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
async def translated() -> AsyncIterator[None]:
    """Raise domain errors in place of what the driver raises inside, and Unavailable after ``DEADLINE_S``."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield
    except DomainError:
        raise
    except Exception as error:
        meaning = translate(error)
        if meaning is None:
            raise
        raise meaning from error
