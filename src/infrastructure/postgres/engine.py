"""Connections: an asyncpg pool for money and hot reads, a SQLAlchemy engine for lists. Both count together."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from domain.errors import Unavailable
from infrastructure.postgres.address import DatabaseAddress

CONNECT_TIMEOUT_S = 5
COMMAND_TIMEOUT_S = 5  # as the role's statement_timeout, for a server that does not answer at all
LIST_CONNECTIONS = 2


def behind_transaction_pooler(url: str, pooler: str) -> bool:
    """Whether connections go through a pooler that changes the server connection with every transaction."""
    return pooler == "transaction" or (pooler == "auto" and DatabaseAddress.parse(url).has_transaction_port)


def driver_url(url: str) -> str:
    """*url* without the parameters that have no effect here: the server would refuse them as settings."""
    parts, ignored = urlsplit(url), DatabaseAddress.parse(url).ignored
    kept = [pair for pair in parse_qsl(parts.query) if pair[0] not in ignored]
    return urlunsplit(parts._replace(query=urlencode(kept)))


def driver_options(url: str, pooler: str) -> dict[str, Any]:
    """What the driver must be told; behind a transaction-mode pooler a prepared statement has no home.

    With no cache asyncpg parses and executes in one round trip, so that both reach the same server connection.
    Nothing else is a start-up parameter: poolers refuse what they do not know, so timeouts are set on the role.
    """
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
    options = driver_options(url, pooler)
    return asyncpg.create_pool(driver_url(url), min_size=0, max_size=size, reset=_no_reset, **options)


def create_engine(url: str, pooler: str) -> AsyncEngine:
    """The engine behind the vault's lists: each statement commits by itself, so a page costs nothing around it."""
    return create_async_engine(
        "postgresql+asyncpg://",
        pool_size=LIST_CONNECTIONS,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT_S,
        isolation_level="AUTOCOMMIT",
        connect_args=_connect_arguments(url, pooler),
    )


def create_migration_engine(url: str) -> AsyncEngine:
    """The engine of a migration: a session of its own for each connection."""
    return create_async_engine(
        "postgresql+asyncpg://", poolclass=NullPool, connect_args=_connect_arguments(url, "none")
    )


def _connect_arguments(url: str, pooler: str) -> dict[str, Any]:
    """For SQLAlchemy. The driver reads the address itself: SQLAlchemy would pass sslmode as an argument it refuses."""
    arguments: dict[str, Any] = {"async_creator_fn": _connector(url, pooler)}
    if behind_transaction_pooler(url, pooler):
        # Statements stay unnamed: a named one would be left on whichever server connection the pooler lent.
        arguments["prepared_statement_cache_size"] = 0
    return arguments


def _connector(url: str, pooler: str) -> Callable[..., Awaitable[Any]]:
    async def connect(**_: Any) -> Any:
        try:
            return await asyncpg.connect(driver_url(url), **driver_options(url, pooler))
        except Exception as error:  # whatever the server or a pooler says: nobody was let in
            raise Unavailable from error

    return connect
