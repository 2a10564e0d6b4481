"""Takes a database over, step by step: what is done is recorded, so that it can be killed and started again."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Final

import asyncpg

from infrastructure.adoption.money import MONEY_RETIREMENT, MONEY_STEPS
from infrastructure.adoption.observations import Observation, Part
from infrastructure.adoption.obstacles import check_obstacles
from infrastructure.adoption.posts import POST_STEPS
from infrastructure.adoption.profiles import (
    AFTER_MIGRATIONS,
    BEFORE_MIGRATIONS,
    PROFILE_RETIREMENT,
    Named,
    find_people,
)
from infrastructure.adoption.shape import MADE_PUBLIC_TABLES, PostsSource, Shape, read_revision, read_shape
from infrastructure.adoption.steps import PATIENCE, Adoption, Rates, Step
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import connected
from infrastructure.postgres.errors import NotDone
from infrastructure.postgres.migrations import (
    PATIENCE_S,
    AnotherRunner,
    patiently,
    refuse_transaction_pooler,
    upgrade,
    will_pass,
)

ADOPTION_LOCK: Final = 6_117_006
"""One number for all adoptions; the migrations have another, since an adoption runs them."""
_SESSION = (f"set lock_timeout = '{PATIENCE}'", "set statement_timeout = 0")
_OF_A_TRANSACTION = "set local statement_timeout = '60s'"
_FIRST_REVISION = "0001"
_NOTHING = "There is nothing to take over."
_BEGIN = """
insert into private.adoption (tables, posts_source, confirmed_by) values ($1, $2, session_user) on conflict do nothing
"""
_ADOPTED = "select adopted_at is not null from private.adoption"
_HAS_ADOPTION = "select to_regclass('private.adoption') is not null"
_DONE = "select name from private.adoption_steps"
_RECORD = "insert into private.adoption_steps (name) values ($1) on conflict do nothing"
_FINISH = "update private.adoption set adopted_at = clock_timestamp() where adopted_at is null"
_RETIRE = "update private.adoption set legacy_retired_at = clock_timestamp() where legacy_retired_at is null"


class AdoptionStopped(NotDone):
    """Nothing was changed: *obstacles* have to be cleared away first."""

    def __init__(self, obstacles: Sequence[Observation]) -> None:
        super().__init__(
            "The database was not touched: what is listed above stands in the way.",
            "docs/adoption.md says what to do about each.",
        )
        self.obstacles = obstacles


def _steps(address: DatabaseAddress) -> tuple[Step, ...]:
    return (
        *BEFORE_MIGRATIONS,
        Step(
            "migrations",
            "runs the migrations: the service's own tables, guards and policies; nobody waits longer than a second",
            lambda *_: asyncio.to_thread(upgrade, address, adopting=True),
            in_transaction=False,
        ),
        *AFTER_MIGRATIONS,
        *POST_STEPS,
        *MONEY_STEPS,
    )


async def plan(connection: asyncpg.Connection, shape: Shape, address: DatabaseAddress) -> list[Observation]:
    """The steps, each with whether it is done; reads only."""
    done = await _done(connection)
    return [
        Observation(Part.STEPS, "done" if step.name in done else "to_do", step.name, step.what)
        for step in _steps(address)
        if step.applies(shape)
    ]


async def adopt(
    address: DatabaseAddress,
    named: Named,
    rates: Rates,
    tell: Callable[[str], None],
    *,
    patience: float = PATIENCE_S,
) -> bool:
    """Do all steps that are not done; whether there were any. *tell* hears of each before it begins.

    Raises:
        AdoptionStopped, NotConfirmed, NotDone: it stops, or there is nothing to take over; nothing was changed.
        MigrationRefused: the address is a transaction-mode pooler's.
        AnotherRunner: somebody else adopts this database, and did not finish in time.
        asyncpg.PostgresError: the database refused, or a lock was never free; what is done is recorded.
        OSError, asyncpg.InterfaceError: no connection, or it was lost.
    """
    async with _only_runner(address, patience) as connection:
        shape = await read_shape(connection)
        if await _is_adopted(connection):
            return False
        await _require_adoptable(connection, shape)
        roles = await find_people(connection, named)
        await asyncio.to_thread(upgrade, address, _FIRST_REVISION, adopting=True)
        source = PostsSource.CLIPS if shape.has_clips else PostsSource.POSTS
        taken_over = sorted(name for name in shape.tables if name.startswith("public."))
        await connection.execute(_BEGIN, taken_over, source)
        await _run_all(connection, _steps(address), Adoption(shape, roles, rates), tell, patience)
        await connection.execute(_FINISH)
    return True


async def retire_legacy(
    address: DatabaseAddress, tell: Callable[[str], None], *, patience: float = PATIENCE_S
) -> None:
    """Take away what only old builds needed; a no-op the second time. *tell* hears of each step before it begins.

    Raises:
        NotDone: the database was not taken over, or not to the end; nothing was changed.
        MigrationRefused, AnotherRunner, asyncpg.PostgresError, OSError, asyncpg.InterfaceError: as :func:`adopt`.
    """
    async with _only_runner(address, patience) as connection:
        if not await _is_adopted(connection):
            raise NotDone(
                "The database was not taken over, or not to the end.",
                "Nothing was changed. See docs/adoption.md.",
            )
        adoption = Adoption(await read_shape(connection))
        await _run_all(connection, (PROFILE_RETIREMENT, MONEY_RETIREMENT), adoption, tell, patience)
        await connection.execute(_RETIRE)


async def _run_all(
    connection: asyncpg.Connection,
    steps: Iterable[Step],
    adoption: Adoption,
    tell: Callable[[str], None],
    patience: float,
) -> None:
    for step in steps:
        if step.applies(adoption.shape) and step.name not in await _done(connection):
            tell(f"{step.name}: {step.what}")
            await _run(connection, step, adoption, patience)


async def _is_adopted(connection: asyncpg.Connection) -> bool:
    if not await connection.fetchval(_HAS_ADOPTION):
        return False
    return bool(await connection.fetchval(_ADOPTED))


async def _require_adoptable(connection: asyncpg.Connection, shape: Shape) -> None:
    if await read_revision(connection) >= MADE_PUBLIC_TABLES:
        if await connection.fetchval("select count(*) from private.adoption") == 0:
            raise NotDone(_NOTHING, "The tables are the migrations' own.")
        return
    if not shape.tables:
        raise NotDone(_NOTHING, "No table of ours or of the app's is there: `lingualink migrate` is the way.")
    async with connection.transaction(readonly=True):
        await connection.execute("set local row_security = off")
        if obstacles := await check_obstacles(connection, shape):
            raise AdoptionStopped(obstacles)


async def _done(connection: asyncpg.Connection) -> set[str]:
    if not await connection.fetchval(_HAS_ADOPTION):
        return set()
    return {row["name"] for row in await connection.fetch(_DONE)}


async def _run(connection: asyncpg.Connection, step: Step, adoption: Adoption, patience: float) -> None:
    async for attempt in patiently(will_pass, patience):
        with attempt:
            async with connection.transaction() if step.in_transaction else nullcontext():
                if step.in_transaction:
                    await connection.execute(_OF_A_TRANSACTION)
                await step.run(connection, adoption)
                await connection.execute(_RECORD, step.name)


@asynccontextmanager
async def _only_runner(address: DatabaseAddress, patience: float) -> AsyncIterator[asyncpg.Connection]:
    """A connection that holds the lock of adoptions for as long as it lives, on the server's side.

    Raises:
        MigrationRefused: the address is a transaction-mode pooler's.
        AnotherRunner: it is taken, and was not given back in time.
    """
    await refuse_transaction_pooler(address)
    async with connected(address) as connection:
        async for attempt in patiently(AnotherRunner, patience):
            with attempt:
                if not await connection.fetchval("select pg_try_advisory_lock($1)", ADOPTION_LOCK):
                    raise AnotherRunner("another runner is adopting this database")
        for setting in _SESSION:
            await connection.execute(setting)
        yield connection
