"""Reads all that can be said of a database before it is taken over, in one transaction that can't write."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from infrastructure.adoption.clients import check_clients
from infrastructure.adoption.observations import Observation, Part, ask
from infrastructure.adoption.obstacles import check_obstacles
from infrastructure.adoption.roles import Named, find_people
from infrastructure.adoption.rows import check_rates, check_roles, check_rows
from infrastructure.adoption.run import plan
from infrastructure.adoption.shape import (
    MADE_PUBLIC_TABLES,
    check_added,
    check_found,
    check_locks,
    read_revision,
    read_shape,
)
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import connect
from infrastructure.postgres.migrations import refuse_transaction_pooler

# Without row_security = off a role that policies hold back would count fewer rows, and not know. With no search path
# every name is printed with its schema, and nobody's function is called in place of PostgreSQL's.
_SESSION = (
    "set local lock_timeout = '1s'",
    "set local statement_timeout = '60s'",
    "set local row_security = off",
    "set local search_path = ''",
)
_ADOPTION = "select adopted_at from private.adoption"


async def survey(address: DatabaseAddress) -> Sequence[Observation]:
    """All that was seen, of one moment; the database is not changed, and each statement ends after a minute.

    Raises:
        MigrationRefused: the address is a transaction-mode pooler's.
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: no connection, or it was lost.
    """
    async with _reading(address) as connection:
        revision = await read_revision(connection)
        if revision >= MADE_PUBLIC_TABLES:
            return [_found(revision), await _say_whose(connection)]
        shape = await read_shape(connection)
        seen = [_found(revision)] if revision else []
        if not shape.tables:
            nothing = "no table of ours or of the app's is there: `lingualink migrate` is the way"
            return [*seen, Observation(Part.FOUND, "nothing", "database", nothing)]
        seen += check_found(shape)
        seen += await check_rows(connection, shape)
        seen += await check_rates(connection, shape)
        seen += await check_clients(connection, shape)
        seen += await check_obstacles(connection, shape)
        return [*seen, *check_locks(shape), *check_added(shape), *await plan(connection, shape, address)]


async def rehearse(address: DatabaseAddress, named: Named) -> Sequence[Observation]:
    """What an adoption would stop at, which steps it would take, and who would be what; read in the same way.

    Raises:
        NotConfirmed: somebody who is named has no account, no profile, or two names.
        MigrationRefused: the address is a transaction-mode pooler's.
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: no connection, or it was lost.
    """
    async with _reading(address) as connection:
        shape = await read_shape(connection)
        seen: list[Observation] = []
        if await read_revision(connection) < MADE_PUBLIC_TABLES:
            seen += await check_obstacles(connection, shape)
        seen += await plan(connection, shape, address)
        seen += await check_roles(connection, shape)
        seen += await check_rates(connection, shape)
        people = await find_people(connection, named)
        return [
            *seen,
            *(
                Observation(Part.STEPS, "role", str(user_id), f"will be {role}, and everybody else user")
                for user_id, role in people.items()
            ),
        ]


@asynccontextmanager
async def _reading(address: DatabaseAddress) -> AsyncIterator[asyncpg.Connection]:
    await refuse_transaction_pooler(address)
    connection = await connect(address)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            for setting in _SESSION:
                await connection.execute(setting)
            yield connection
    finally:
        await connection.close()


def _found(revision: str) -> Observation:
    return Observation(Part.FOUND, "revision", "database", f"the migrations got to revision {revision}")


async def _say_whose(connection: asyncpg.Connection) -> Observation:
    rows, _ = await ask(connection, Part.FOUND, "private.adoption", _ADOPTION)
    if not rows:
        made = "the tables are the migrations' own: nothing is to be taken over"
        return Observation(Part.FOUND, "ours", "database", made)
    if rows[0]["adopted_at"] is None:
        unfinished = "an adoption began and is not finished: run it again"
        return Observation(Part.FOUND, "unfinished", "database", unfinished)
    return Observation(
        Part.FOUND, "adopted", "database", f"adopted {rows[0]['adopted_at']:%Y-%m-%d %H:%M:%S} UTC"
    )
