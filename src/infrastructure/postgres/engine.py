"""Connections: an asyncpg pool for money and hot reads, a SQLAlchemy engine for lists. Both count together."""

from typing import Any
from urllib.parse import urlsplit

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

CONNECT_TIMEOUT_S = 5
COMMAND_TIMEOUT_S = 5  # as the role's statement_timeout, for a server that does not answer at all
LIST_CONNECTIONS = 2


def behind_transaction_pooler(url: str, pooler: str) -> bool:
    """Whether connections go through a pooler that changes the server connection with every transaction."""
    return pooler == "transaction" or (pooler == "auto" and urlsplit(url).port == 6543)


def driver_options(url: str, pooler: str) -> dict[str, Any]:
    """What the driver must be told; behind a transaction-mode pooler a prepared statement has no home."""
    options: dict[str, Any] = {"timeout": CONNECT_TIMEOUT_S, "command_timeout": COMMAND_TIMEOUT_S}
    if behind_transaction_pooler(url, pooler):
        options["statement_cache_size"] = 0
    return options


async def _no_reset(connection: asyncpg.Connection) -> None:
    """Leave a returned connection as it is: no statement of ours sets session state, so a reset is a wasted trip."""


def create_pool(url: str, pooler: str, size: int) -> asyncpg.Pool:
    """A pool of *size* connections, opened when first used; it must be awaited or entered.

    It does not wait for the database: a process starts without one, and says so in its readiness.
    """
    return asyncpg.create_pool(url, min_size=0, max_size=size, reset=_no_reset, **driver_options(url, pooler))


def create_engine(url: str, pooler: str) -> AsyncEngine:
    """The engine behind the vault's lists."""
    options = driver_options(url, pooler)
    if behind_transaction_pooler(url, pooler):
        options["prepared_statement_cache_size"] = 0
    return create_async_engine(
        "postgresql+asyncpg://" + url.split("://", 1)[1],
        pool_size=LIST_CONNECTIONS,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT_S,
        pool_pre_ping=True,
        connect_args=options,
    )
