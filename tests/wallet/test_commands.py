"""What an operator types: ``lingualink doctor --ledger`` and ``lingualink erase-user``."""

import asyncio
import os
import subprocess
import sys
from uuid import UUID

import pytest

from contract.backend import PostgresBackend
from contract.test_transfers import pay
from domain.identity import AccountStatus, Principal
from support.database import Database
from support.ledger import tamper

pytestmark = pytest.mark.anyio


async def lingualink(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from bootstrap.cli import main; main()", *words]
    return await asyncio.to_thread(
        subprocess.run,
        command,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


async def _reconcile(database: Database) -> subprocess.CompletedProcess[str]:
    return await lingualink(
        "doctor",
        "--ledger",
        DATABASE_URL=database.service_url,
        LINGUALINK_DATABASE_POOLER=database.pooler,
    )


async def test_reconcile_says_that_every_cent_is_in_place(
    backend: PostgresBackend, database: Database
) -> None:
    one, other = await backend.user(balance="50.00"), await backend.user()
    await pay(backend, one, other, "1")

    ran = await _reconcile(database)

    assert (ran.returncode, ran.stdout) == (0, "Every cent is in place.\n"), ran.stderr


async def test_reconcile_names_what_does_not_add_up_and_fails(
    backend: PostgresBackend, database: Database
) -> None:
    one, other = await backend.user(balance="50.00"), await backend.user()
    await pay(backend, one, other, "1")
    await tamper(database, f"update public.wallets set balance = 2 where user_id = '{other.user_id}'")

    ran = await _reconcile(database)

    [row] = await backend.ledger(other)
    assert ran.returncode == 1
    assert [line.partition(":")[0] for line in ran.stdout.splitlines()] == [
        f"wrong_balance user={other.user_id} id={row.id}",
        "imbalance user=None id=books",
    ]
    assert ran.stderr == "2 things do not add up.\n"


async def test_reconcile_names_the_variables_that_are_missing() -> None:
    ran = await lingualink("doctor", "--ledger", DATABASE_URL="", SUPABASE_URL="", SUPABASE_SECRET_KEY="")

    assert ran.returncode == 1
    assert "DATABASE_URL: is missing" in ran.stderr


async def test_reconcile_says_when_the_database_is_away() -> None:
    ran = await lingualink(
        "doctor",
        "--ledger",
        DATABASE_URL="postgresql://nobody@127.0.0.1:1/nothing",
    )

    assert ran.returncode == 1
    cause, remedy = ran.stderr.splitlines()[-2:]
    assert cause.startswith("Error: The database does not answer: ")
    assert "DATABASE_URL" in remedy


async def _erase(database: Database, user: Principal | UUID) -> subprocess.CompletedProcess[str]:
    user_id = user.user_id if isinstance(user, Principal) else user
    return await lingualink("erase-user", str(user_id), MIGRATION_DATABASE_URL=database.migrator_url)


async def test_erase_user_tells_what_it_blanked(backend: PostgresBackend, database: Database) -> None:
    person, friend = await backend.user(balance="50.00"), await backend.user()
    await pay(backend, person, friend, "1", note="hello")
    await backend.has_account_status(person, AccountStatus.DELETED)

    ran = await _erase(database, person)

    assert ran.returncode == 0
    assert "notes of transactions: 2" in ran.stdout


async def test_erase_user_leaves_a_living_account_alone(backend: PostgresBackend, database: Database) -> None:
    person = await backend.user()

    ran = await _erase(database, person)

    assert ran.returncode == 1
    assert "still has an Auth account" in ran.stderr
