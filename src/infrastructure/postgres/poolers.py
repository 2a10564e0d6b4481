"""What stands between us and PostgreSQL, found out by looking: nothing, or a pooler in session or transaction mode."""

from enum import StrEnum

import asyncpg

from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import connect

_PID = "select pg_backend_pid()"


class PoolerMode(StrEnum):
    """How server connections are handed out."""

    NONE = "none"
    SESSION = "session"
    TRANSACTION = "transaction"


async def find_pooler(address: DatabaseAddress) -> PoolerMode:
    """The mode of the pooler behind *address*.

    A pooler makes up the process id that PostgreSQL tells a new connection, so asking for it a second time gives
    pooling away. In transaction mode another client is then given the server connection that we had, or we get
    another one while it is busy; in session mode neither happens.

    Raises:
        OSError, asyncpg.PostgresError: no connection.
    """
    first = await connect(address, statement_cache_size=0)
    try:
        pid = await _pid(first)
        if pid == first.get_server_pid():
            return PoolerMode.NONE
        second = await connect(address, statement_cache_size=0)
        try:
            async with second.transaction():
                if await second.fetchval(_PID) == pid or await _pid(first) != pid:
                    return PoolerMode.TRANSACTION
            return PoolerMode.SESSION
        finally:
            await second.close()
    finally:
        await first.close()


async def _pid(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    async with connection.transaction():
        return int(await connection.fetchval(_PID))
