"""The service and the migrations behind poolers: PgBouncer in session and in transaction mode."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import cast
from uuid import uuid4

import anyio.to_thread
import asyncpg
import pytest
from sqlalchemy import text

from devstack.postgres import LocalPostgres
from infrastructure.doctor.database import check_pooler
from infrastructure.hosts import process_name
from infrastructure.postgres.address import DatabaseAddress, PoolerChoice
from infrastructure.postgres.connections import create_engine, create_pool, find_pooler
from infrastructure.postgres.migrations import MigrationRefused, upgrade
from infrastructure.postgres.pool import Pool
from support.database import MIGRATOR, Database, cloned
from support.pooler import SERVICE, pgbouncer, pgbouncer_program, url_through

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(pgbouncer_program() is None, reason="PgBouncer is missing: apt-get install pgbouncer"),
]

SERVER_CONNECTIONS = 3


@dataclass(frozen=True, slots=True)
class Pooled:
    """A database, and the port of the pooler in front of it."""

    database: Database
    port: int

    def url(self, user: str = SERVICE) -> str:
        return url_through(self.port, self.database.name, user)

    def address(self, pooler: PoolerChoice = "transaction", user: str = SERVICE) -> DatabaseAddress:
        """The same, as an adapter that was told of *pooler* takes it."""
        return DatabaseAddress.parse(self.url(user), pooler=pooler)


@pytest.fixture(scope="module")
def shared(projects: LocalPostgres) -> Iterator[Database]:
    with cloned(projects) as made:
        yield made


@pytest.fixture(scope="module")
def session_mode(projects: LocalPostgres, shared: Database) -> Iterator[Pooled]:
    with pgbouncer(projects, "session", pool_size=10) as port:
        yield Pooled(shared, port)


@pytest.fixture(scope="module")
def transaction_mode(projects: LocalPostgres, shared: Database) -> Iterator[Pooled]:
    with pgbouncer(projects, "transaction", pool_size=SERVER_CONNECTIONS) as port:
        yield Pooled(shared, port)


def direct(database: Database, pooler: PoolerChoice = "none") -> DatabaseAddress:
    """Past every pooler, whatever the service is told of one."""
    return DatabaseAddress.parse(database.cluster.url(database.name, SERVICE), pooler=pooler)


async def test_no_pooler_is_found_where_there_is_none(shared: Database) -> None:
    assert await find_pooler(direct(shared)) == "none"


async def test_a_session_mode_pooler_is_found(session_mode: Pooled) -> None:
    assert await find_pooler(session_mode.address()) == "session"


async def test_a_transaction_mode_pooler_is_found(transaction_mode: Pooled) -> None:
    assert await find_pooler(transaction_mode.address()) == "transaction"


async def test_migrations_run_through_a_session_mode_pooler(session_mode: Pooled) -> None:
    await anyio.to_thread.run_sync(upgrade, session_mode.address("none", MIGRATOR))


async def test_migrations_refuse_a_transaction_mode_pooler(transaction_mode: Pooled) -> None:
    with pytest.raises(MigrationRefused, match="transaction-mode pooler"):
        await anyio.to_thread.run_sync(upgrade, transaction_mode.address("none", MIGRATOR))


async def test_many_clients_share_few_server_connections(transaction_mode: Pooled) -> None:
    async with (
        create_pool(transaction_mode.address(), 8) as one,
        create_pool(transaction_mode.address(), 8) as other,
    ):

        async def work(pool: Pool, number: int) -> tuple[int, str]:
            key = str(uuid4())
            for _ in range(10):
                assert await pool.fetchval("select $1::int + 1", number) == number + 1
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute(
                    "insert into private.idempotency_keys (user_id, key, fingerprint) values ($1, $2, $3)",
                    uuid4(),
                    key,
                    b"x",
                )
                kept = await connection.fetchval(
                    "select key from private.idempotency_keys where key = $1", key
                )
            return number, (kept == key and key) or ""

        done = await asyncio.gather(*(work(pool, n) for n in range(24) for pool in (one, other)))
    assert all(key for _, key in done)


async def statements_on_all_server_connections(pooled: Pooled) -> list[int]:
    """How many named statements there are on each; transactions held at once are on different ones."""
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(SERVER_CONNECTIONS):
            connection = await asyncpg.connect(pooled.url(), statement_cache_size=0)
            stack.push_async_callback(connection.close)
            await stack.enter_async_context(connection.transaction())
            found.append(
                await connection.fetchval("select count(*) from pg_prepared_statements where name <> ''")
            )
        return found


async def test_lists_leave_no_statement_behind_on_a_server_connection(transaction_mode: Pooled) -> None:
    engines = [create_engine(transaction_mode.address()) for _ in range(3)]

    async def read(number: int) -> int:
        async with engines[number % 3].connect() as connection:
            await connection.execute(
                text("select id from public.profiles where username = :name"), {"name": "x"}
            )
            return int((await connection.execute(text("select cast(:n as int)"), {"n": number})).scalar_one())

    assert await asyncio.gather(*(read(number) for number in range(30))) == list(range(30))
    left = await statements_on_all_server_connections(transaction_mode)
    for engine in engines:
        await engine.dispose()
    assert left == [0] * SERVER_CONNECTIONS


async def test_statement_caches_get_lost_behind_an_undeclared_transaction_mode_pooler(
    transaction_mode: Pooled,
) -> None:
    [finding] = [finding async for finding in check_pooler(transaction_mode.address("none"))]
    assert finding.code == "pooler_not_declared"


async def test_a_pooler_that_is_declared_and_there_is_no_finding(transaction_mode: Pooled) -> None:
    assert [finding async for finding in check_pooler(transaction_mode.address())] == []


async def test_a_pooler_that_is_declared_and_not_there_is_a_warning(shared: Database) -> None:
    [finding] = [finding async for finding in check_pooler(direct(shared, "transaction"))]
    assert finding.code == "pooler_not_needed"


async def test_the_roles_timeouts_hold_behind_a_transaction_mode_pooler(transaction_mode: Pooled) -> None:
    async with create_pool(transaction_mode.address(), 1) as pool:
        assert await pool.fetchval("show statement_timeout") == "5s"
        assert await pool.fetchval("show lock_timeout") == "2s"


@pytest.mark.parametrize("pooler", ["none", "transaction"])
@pytest.mark.parametrize(
    "query",
    [
        "pgbouncer=true&connection_limit=1&sslmode=disable",
        "connect_timeout=10&channel_binding=require&schema=public",
        "prepared_statements=false&keepalives=1&application_name=somebody",
    ],
)
async def test_an_address_as_other_clients_write_it_works(
    shared: Database, pooler: PoolerChoice, query: str
) -> None:
    address = DatabaseAddress.parse(f"{shared.cluster.url(shared.name, SERVICE)}?{query}", pooler=pooler)
    async with create_pool(address, 1) as pool:
        assert await pool.fetchval("select 1") == 1
    engine = create_engine(address)
    async with engine.connect() as connection:
        assert (await connection.execute(text("select 1"))).scalar_one() == 1
    await engine.dispose()


async def test_a_connection_says_whose_it_is(session_mode: Pooled, transaction_mode: Pooled) -> None:
    for pooled, pooler in ((session_mode, "none"), (transaction_mode, "transaction")):
        address = DatabaseAddress.parse(
            pooled.url(), pooler=cast("PoolerChoice", pooler), name=process_name("1.2.3")
        )
        async with create_pool(address, 1) as pool:
            assert await pool.fetchval("show application_name") == process_name("1.2.3")
