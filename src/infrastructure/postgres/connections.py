"""Connections: an asyncpg pool for money and hot reads, a SQLAlchemy engine for lists, which count together.

And what stands behind them, found out by looking: a pooler and its mode, the schema's level.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any, Final

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from application.ops import AdoptionState, DatabaseState
from domain.errors import Unavailable
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.pool import Pool, map_database_errors, plan_once
from infrastructure.postgres.tls import tls_context

CONNECT_TIMEOUT_S: Final = 5
COMMAND_TIMEOUT_S: Final = 5
"""As the role's statement_timeout, for a server that does not answer at all."""
LIST_CONNECTIONS: Final = 2


def connection_options(address: DatabaseAddress) -> dict[str, Any]:
    """What the driver is told: all that it would else look for in the environment or in files.

    Behind a transaction-mode pooler a prepared statement has no home; with no cache asyncpg parses and executes in
    one round trip, so that both reach the same server connection. Timeouts are no start-up parameters, for poolers
    refuse what they do not know: they are set on the role.
    """
    options: dict[str, Any] = {
        "host": [host for host, _ in address.hosts],
        "port": [port for _, port in address.hosts],
        "user": address.user,
        "password": address.password or "",
        "database": address.database,
        # The two weakest modes are the driver's to bargain out, on this machine alone.
        "ssl": address.sslmode if address.sslmode in {"allow", "prefer"} else tls_context(address) or False,
        "direct_tls": address.direct_tls,
        "target_session_attrs": address.target_session,
        "server_settings": dict(address.session),
        "timeout": CONNECT_TIMEOUT_S,
    }
    if address.transaction_pooler:
        options["statement_cache_size"] = 0
    return options


async def connect(address: DatabaseAddress, **options: Any) -> "asyncpg.Connection[asyncpg.Record]":
    """One connection to *address*, to be closed by the caller; *options* are the driver's.

    Raises:
        OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError: there is none to be had.
    """
    return await asyncpg.connect(**(connection_options(address) | options))


@asynccontextmanager
async def connected(
    address: DatabaseAddress, **options: Any
) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The same for as long as the block runs.

    Raises:
        what :func:`connect` raises.
    """
    connection = await connect(address, **options)
    try:
        yield connection
    finally:
        await connection.close()


def create_pool(address: DatabaseAddress, size: int) -> Pool:
    """A pool of *size* connections, opened when first used; it must be awaited or entered.

    It does not wait for the database: a process starts without one, and says so in its readiness. What it asks is
    planned once for each connection; a pooler in transaction mode keeps neither plans nor settings.
    """
    init = None if address.transaction_pooler else plan_once
    return Pool(size, command_timeout=COMMAND_TIMEOUT_S, init=init, **connection_options(address))


def create_engine(address: DatabaseAddress) -> AsyncEngine:
    """The engine behind the vault's lists: each statement commits by itself, so a page costs nothing around it.

    Without a connection it raises :class:`domain.errors.Unavailable`: whatever server or pooler say, nobody was let in.
    """

    async def connector(**_: Any) -> Any:
        try:
            return await connect(address, command_timeout=COMMAND_TIMEOUT_S)
        except Exception as error:
            raise Unavailable from error

    return create_async_engine(
        "postgresql+asyncpg://",
        pool_size=LIST_CONNECTIONS,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT_S,
        isolation_level="AUTOCOMMIT",
        connect_args=_connect_arguments(address, connector),
    )


def create_migration_engine(address: DatabaseAddress) -> AsyncEngine:
    """The engine of a migration: a session of its own for each connection. Its statements take the time they need."""

    async def connector(**_: Any) -> Any:
        return await connect(address)

    return create_async_engine(
        "postgresql+asyncpg://", poolclass=NullPool, connect_args=_connect_arguments(address, connector)
    )


def _connect_arguments(address: DatabaseAddress, connector: Callable[..., Awaitable[Any]]) -> dict[str, Any]:
    """For SQLAlchemy, which would read an address less strictly."""
    arguments: dict[str, Any] = {"async_creator_fn": connector}
    if address.transaction_pooler:
        # Statements stay unnamed: a named one would be left on whichever server connection the pooler lent.
        arguments["prepared_statement_cache_size"] = 0
    return arguments


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
    async with connected(address, statement_cache_size=0) as first:
        pid = await _pid(first)
        if pid == first.get_server_pid():
            return PoolerMode.NONE
        async with connected(address, statement_cache_size=0) as second, second.transaction():
            if await second.fetchval(_PID) == pid or await _pid(first) != pid:
                return PoolerMode.TRANSACTION
        return PoolerMode.SESSION


async def _pid(connection: "asyncpg.Connection[asyncpg.Record]") -> int:
    async with connection.transaction():
        return int(await connection.fetchval(_PID))


_STATE = """
select level, current_setting('transaction_read_only') = 'on' as read_only,
       exists (select from private.adoption where adopted_at is null) as half_adopted
from private.schema_level
"""
_HAS_APP = "select to_regclass('public.profiles') is not null"


class PostgresSchema:
    """Answers for readiness on the shared database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def read(self) -> DatabaseState:
        """The state, in one round trip; in two before the first migration, which is level 0.

        Raises:
            Unavailable: the database does not answer.
        """
        async with map_database_errors():
            try:
                row = await self._pool.fetchrow(_STATE)
            except (
                asyncpg.UndefinedTableError,
                asyncpg.InsufficientPrivilegeError,
                asyncpg.InvalidSchemaNameError,
            ):
                row = None
            if row is None:
                has_app = await self._pool.fetchval(_HAS_APP)
                adoption = AdoptionState.NOT_BEGUN if has_app else AdoptionState.DONE
                return DatabaseState(0, read_only=False, adoption=adoption)
        adoption = AdoptionState.UNFINISHED if row["half_adopted"] else AdoptionState.DONE
        return DatabaseState(row["level"], row["read_only"], adoption)
