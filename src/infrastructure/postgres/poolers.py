"""What stands between us and PostgreSQL, found out by looking: nothing, or a pooler in session or transaction mode."""

from enum import StrEnum
from urllib.parse import urlsplit

import asyncpg

from infrastructure.postgres.engine import CONNECT_TIMEOUT_S

TRANSACTION_POOLER_PORT = 6543
"""Where Supabase's poolers, shared and dedicated, listen in transaction mode."""

_PID = "select pg_backend_pid()"


class PoolerMode(StrEnum):
    """How server connections are handed out."""

    NONE = "none"
    SESSION = "session"
    TRANSACTION = "transaction"


async def find_pooler(url: str) -> PoolerMode:
    """The mode of the pooler behind *url*.

    A pooler makes up the process id that PostgreSQL tells a new connection, so asking for it a second time gives
    pooling away. In transaction mode another client is then given the server connection that we had, or we get
    another one while it is busy; in session mode neither happens.

    Raises:
        OSError, asyncpg.PostgresError: no connection.
    """
    first = await _connect(url)
    try:
        pid = await _pid(first)
        if pid == first.get_server_pid():
            return PoolerMode.NONE
        second = await _connect(url)
        try:
            async with second.transaction():
                if await second.fetchval(_PID) == pid or await _pid(first) != pid:
                    return PoolerMode.TRANSACTION
            return PoolerMode.SESSION
        finally:
            await second.close()
    finally:
        await first.close()


async def _connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(url, timeout=CONNECT_TIMEOUT_S, statement_cache_size=0)


async def _pid(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    async with connection.transaction():
        return int(await connection.fetchval(_PID))


def has_transaction_port(url: str) -> bool:
    """Whether *url* says by its port that it is a transaction-mode pooler's."""
    return urlsplit(url).port == TRANSACTION_POOLER_PORT
