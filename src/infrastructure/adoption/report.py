"""Reads all that can be said of a database before it is taken over, in one transaction that can't write."""

from collections.abc import Sequence

import asyncpg

from infrastructure.adoption.clients import check_clients
from infrastructure.adoption.observations import Observation, Part, ask
from infrastructure.adoption.rows import check_rows
from infrastructure.adoption.shape import check_added, check_found, check_locks, read_shape
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import connect
from infrastructure.postgres.migrations import SCHEMA, refuse_transaction_pooler

# Without row_security = off a role that policies hold back would count fewer rows, and not know. With no search path
# every name is printed with its schema, and nobody's function is called in place of PostgreSQL's.
_SESSION = (
    "set local lock_timeout = '1s'",
    "set local statement_timeout = '60s'",
    "set local row_security = off",
    "set local search_path = ''",
)
_REVISION = f"select max(version_num) from {SCHEMA}.alembic_version"  # noqa: S608 - our own text
_HAS_REVISION = f"select to_regclass('{SCHEMA}.alembic_version') is not null"
MADE_PUBLIC_TABLES = "0002"


async def survey(address: DatabaseAddress) -> Sequence[Observation]:
    """All that was seen, of one moment; the database is not changed, and each statement ends after a minute.

    Raises:
        MigrationRefused: the address is a transaction-mode pooler's.
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: no connection, or it was lost.
    """
    await refuse_transaction_pooler(address)
    connection = await connect(address)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            for setting in _SESSION:
                await connection.execute(setting)
            return await _look(connection)
    finally:
        await connection.close()


async def _look(connection: asyncpg.Connection) -> Sequence[Observation]:
    seen: list[Observation] = []
    if await connection.fetchval(_HAS_REVISION):
        rows, seen = await ask(connection, Part.FOUND, f"{SCHEMA}.alembic_version", _REVISION)
        revision = rows[0][0] if rows else None
        if revision is not None:
            seen.append(
                Observation(Part.FOUND, "revision", "database", f"the migrations got to revision {revision}")
            )
        if (revision or "") >= MADE_PUBLIC_TABLES:
            made = "the tables are the migrations' own: nothing is to be taken over"
            return [*seen, Observation(Part.FOUND, "ours", "database", made)]
    shape = await read_shape(connection)
    if not shape.tables:
        nothing = "no table of ours or of the app's is there: `lingualink migrate` is the way"
        return [*seen, Observation(Part.FOUND, "nothing", "database", nothing)]
    seen += check_found(shape)
    seen += await check_rows(connection, shape)
    seen += await check_clients(connection, shape)
    return [*seen, *check_locks(shape), *check_added(shape)]
