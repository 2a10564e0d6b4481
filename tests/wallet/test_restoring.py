"""After a restore to an earlier time: what a dump does not hold is there again, and clients see what is true."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from contract.backend import PostgresBackend
from contract.test_transfers import pay
from devstack.postgres import LocalPostgres, binaries
from infrastructure.doctor.catalogue import expected, read_items
from infrastructure.doctor.restoring import Restored, repair
from support.database import Database
from support.ledger import findings

pytestmark = pytest.mark.anyio


async def repaired(database: Database) -> Restored:
    connection = await asyncpg.connect(database.migrator_url)
    try:
        return await repair(connection)
    finally:
        await connection.close()


async def items(database: Database) -> dict[str, str]:
    connection = await asyncpg.connect(database.superuser_url)
    try:
        return await read_items(connection)
    finally:
        await connection.close()


LOSSES = (
    "drop owned by lingualink_api",
    (
        "drop policy lingualink_only_receive_own on realtime.messages; "
        "drop policy lingualink_only_backend_sends on realtime.messages"
    ),
    "revoke all on all tables in schema public from authenticated",
    "alter table public.wallets disable row level security",
    "drop trigger zz_keep_balanced on public.wallet_transactions",
    "drop function private.keep_wallet() cascade",
    "alter table public.wallet_transactions disable trigger zz_keep_history",
    "alter table public.wallets drop constraint wallets_balance_range",
    "drop index public.lingualink_posts_queue",
    "grant select on private.audit_log to authenticated",
)


@pytest.mark.parametrize("loss", LOSSES)
async def test_what_a_dump_does_not_hold_is_made_again(database: Database, loss: str) -> None:
    connection = await asyncpg.connect(database.superuser_url)
    await connection.execute(loss)
    await connection.close()
    assert await items(database) != expected().items

    done = await repaired(database)

    assert done.repaired
    assert await items(database) == expected().items
    assert (await repaired(database)).repaired == []


async def test_each_restore_begins_an_epoch(database: Database) -> None:
    first, second = await repaired(database), await repaired(database)
    assert 1 < first.epoch < second.epoch


async def test_the_new_epoch_is_above_all_that_clients_saw(database: Database) -> None:
    before = await repaired(database)
    await database.fetch("update private.ledger_epoch set epoch = 1")  # as the dump has it
    assert (await repaired(database)).epoch >= before.epoch


async def test_what_moves_after_it_tells_the_epoch(backend: PostgresBackend, database: Database) -> None:
    one, other = await backend.user(balance="10.00"), await backend.user()
    done = await repaired(database)

    await pay(backend, one, other, "1")

    assert {event.payload["epoch"] for event in await backend.owed()} == {done.epoch}
    assert await findings(database) == []


@pytest.fixture
async def empty(cluster: LocalPostgres) -> AsyncIterator[Database]:
    """A database with nothing in it, to restore into."""
    made = Database(cluster, f"test_{uuid4().hex}")
    connection = await asyncpg.connect(cluster.url())
    await connection.execute(f'create database "{made.name}" template template0')
    yield made
    await connection.execute(f'drop database "{made.name}" with (force)')
    await connection.close()


async def test_a_dump_is_restored_and_proven(
    backend: PostgresBackend, database: Database, empty: Database, tmp_path: Path
) -> None:
    one, other = await backend.user(balance="10.00"), await backend.user()
    await pay(backend, one, other, "1")
    dump = tmp_path / "dump.sql"
    _run("pg_dump", "--no-privileges", "-f", dump, database.superuser_url)
    await pay(backend, one, other, "2", key="lost")
    _run("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", dump, empty.superuser_url)

    done = await repaired(empty)

    assert await items(empty) == expected().items
    assert await findings(empty) == []
    ledger = await empty.fetch("select balance from public.wallets order by balance")
    assert [str(row["balance"]) for row in ledger] == ["1.0000", "9.0000"]
    assert done.epoch > 1


def _run(program: str, *words: object) -> None:
    done = subprocess.run(
        [str(binaries() / program), *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_command_says_what_is_left_to_do(database: Database) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from bootstrap.cli import main; main()", "restored"],
        env={**os.environ, "MIGRATION_DATABASE_URL": database.migrator_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("The epoch is ")
    assert "--seals" in done.stdout
