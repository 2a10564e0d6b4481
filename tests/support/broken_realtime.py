"""What breaks Realtime from the side of its database: the connection, today's partition, a lock."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from devstack.database import Connection

Breakage = Callable[[Connection], AbstractAsyncContextManager[None]]


@asynccontextmanager
async def connection_cut(platform: Connection) -> AsyncIterator[None]:
    """End the connections over which policies are asked; they are gone inside the block."""
    await platform.execute(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity "
        "where datname = current_database() and application_name = 'realtime_connect'"
    )
    yield


@asynccontextmanager
async def partition_missing(platform: Connection) -> AsyncIterator[None]:
    """Take today's partition of ``realtime.messages`` away."""
    today = await platform.fetchval("select (now() at time zone 'utc')::date")
    partition = f"realtime.messages_{today:%Y_%m_%d}"
    await platform.execute(f"alter table realtime.messages detach partition {partition}")
    try:
        yield
    finally:
        await platform.execute(
            f"alter table realtime.messages attach partition {partition} "
            f"for values from ('{today}') to (date '{today}' + 1)"
        )


@asynccontextmanager
async def messages_locked(platform: Connection) -> AsyncIterator[None]:
    """Hold a lock on ``realtime.messages`` that nothing goes past."""
    async with platform.transaction():
        await platform.execute("lock table realtime.messages in access exclusive mode")
        yield
