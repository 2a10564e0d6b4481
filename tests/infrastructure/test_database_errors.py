"""What PostgreSQL and poolers say, as the callers hear it: whatever goes wrong on the way in is 503."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest

from application.database import Opening, RefusalsLock, WriteBatch
from contract.backend import PostgresBackend, postgres_backend
from domain.errors import Unavailable
from domain.identity import Role
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import create_engine, create_pool
from infrastructure.postgres.errors import domain_error
from infrastructure.postgres.pool import acquire_connection
from infrastructure.postgres.transactions import PostgresTransaction
from infrastructure.postgres.vault import vault_readers
from support.database import Database

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def refusing(state: str) -> AsyncIterator[DatabaseAddress]:
    """The address of a server that lets nobody in, and says *state*."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(8)  # asks for TLS, or begins
        fields = b"".join(
            code + text.encode() + b"\0" for code, text in ((b"S", "FATAL"), (b"C", state), (b"M", "no"))
        )
        writer.write(b"E" + struct.pack("!i", len(fields) + 5) + fields + b"\0")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield DatabaseAddress.parse(
            f"postgresql://lingualink_api:pw@127.0.0.1:{port}/postgres?sslmode=disable"
        )


@pytest.mark.parametrize("state", ["XX000", "28P01", "28000", "3D000", "53300", "57P03", "08006", "42501"])
async def test_whoever_refuses_the_connection_and_however_it_is_unavailable(state: str) -> None:
    async with refusing(state) as address, create_pool(address, 1) as pool:
        with pytest.raises(Unavailable):
            async with acquire_connection(pool):
                pass
        engine = create_engine(address)
        with pytest.raises(Unavailable):
            async with vault_readers(engine)():
                pass
        await engine.dispose()


@pytest.fixture
async def backend(database: Database) -> AsyncIterator[PostgresBackend]:
    async with postgres_backend(database) as made:
        yield made


async def test_an_aborted_transaction_is_not_taken_for_committed(backend: PostgresBackend) -> None:
    opening: Opening[int] = Opening(frozenset(Role), RefusalsLock())
    caller = await backend.user()

    async with backend.database.begin(caller, opening) as transaction:
        assert isinstance(transaction, PostgresTransaction)
        with pytest.raises(asyncpg.DivisionByZeroError):
            await transaction.connection.fetchval("select 1 / 0")
        with pytest.raises(Unavailable):
            await transaction.commit(WriteBatch())


async def test_a_constraint_of_ours_is_a_mistake_of_ours(database: Database) -> None:
    with pytest.raises(asyncpg.CheckViolationError) as violation:
        await database.fetch("insert into public.wallets (user_id, balance) values ($1, -1)", uuid4())

    assert domain_error(violation.value) is None
