"""Restores as operators do them: a dump of 15 into 17, and back to an earlier state while apps stay connected."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bootstrap.doctor import run_checks
from contract.backend import postgres_backend
from contract.test_bookings import book
from contract.test_transfers import pay
from contract.test_withdrawals import COMPLETED, held, settle
from devstack.postgres import binaries
from domain.identity import Role
from domain.wallet import TransactionKind
from infrastructure.doctor.catalogue import expected
from infrastructure.doctor.findings import Severity
from infrastructure.postgres.ownership import OUR_TABLES
from relay.test_the_app import app_of, serving
from support.backend import settings_for
from support.database import Database, cloned, make_project, make_template
from support.ledger import findings, record_staff, sealed, tamper
from support.money import payer
from support.ports import free_port
from support.stack import SupabaseStack, postgres_cluster, supabase_on
from wallet.test_restoring import items, repaired

pytestmark = pytest.mark.anyio

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture
def of_15(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A project at head on PostgreSQL 15."""
    if not DEBIAN_15.is_dir():
        pytest.skip("PostgreSQL 15 is missing: scripts/ci_packages.sh")
    with monkeypatch.context() as patch:
        patch.setenv("LINGUALINK_DEV_POSTGRES_BIN", str(DEBIAN_15))
        cluster = postgres_cluster()
        running = cluster.__enter__()
    try:
        make_template(running)
        with cloned(running) as database:
            yield database
    finally:
        cluster.__exit__(None, None, None)


@pytest.fixture
async def bare() -> AsyncIterator[Database]:
    """A database of a cluster of its own with nothing in it: the platform's roles are there, ours is not."""
    with postgres_cluster() as cluster:
        platform = await make_project(cluster, "platform")
        await platform.fetch('create database "restored" template template0')
        yield Database(cluster, "restored")


def run(program: str, *words: object) -> str:
    """What a program of PostgreSQL says is wrong."""
    done = subprocess.run(
        [binaries() / program, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


async def test_a_dump_of_15_is_restored_into_a_newer_one(
    of_15: Database, bare: Database, tmp_path: Path
) -> None:
    async with postgres_backend(of_15) as backend:
        admin, one, other = (
            await backend.user(Role.ADMIN),
            await backend.user(balance="10.00"),
            await backend.user(),
        )
        await pay(backend, one, other, "2.505")
        await book(backend, admin, other, TransactionKind.BONUS, "3", key="bonus")
        await settle(backend, admin, await held(backend, one, "2", key="done"), COMPLETED)
    await record_staff(of_15)
    await of_15.fetch("update private.realtime_outbox set delivered_at = now()")
    seal = await sealed(of_15)
    dump = tmp_path / "dump.sql"
    run("pg_dump", "--no-privileges", "-f", dump, of_15.superuser_url)

    said = run("psql", "-q", "-f", dump, bare.superuser_url)
    done = await repaired(bare)

    assert 'role "lingualink_api" does not exist' in said
    assert done.made_role
    assert await items(bare) == expected().items
    assert await findings(bare, {seal.id: seal.digest}) == []
    assert [
        row["balance"] for row in await bare.fetch("select balance::text from public.wallets order by 1")
    ] == [
        *("0.0000", "5.4950", "5.5050"),
    ]
    with supabase_on(bare.cluster, bare.name) as supabase:
        settings = settings_for(bare, supabase)
        found = [finding async for finding in run_checks(settings, bare.migrator)]
    assert [finding for finding in found if finding.severity is not Severity.NOTE] == []


@pytest.fixture
def supabase(database: Database) -> Iterator[SupabaseStack]:
    """The stand-in on the test's own database."""
    with supabase_on(database.cluster, database.name) as running:
        yield running


async def test_an_app_that_stayed_connected_shows_what_a_restore_left(
    database: Database, supabase: SupabaseStack, tmp_path: Path
) -> None:
    port, dump = free_port(), tmp_path / "dump.sql"
    async with AsyncExitStack() as apps:
        async with serving(database, supabase, port, "inline") as (system, _):
            paying = await apps.enter_async_context(payer(system))
            app = await apps.enter_async_context(app_of(paying.recipient, system))
            await paying.pay()
            await app.expect("heard", 60)
            run(
                *("pg_dump", "--data-only", "--disable-triggers", "-f", dump),
                *(f"--table={table}" for table in OUR_TABLES),
                database.superuser_url,
            )
            for _ in range(2):
                await paying.pay()
                await app.expect("heard", 60)
        await app.do("show")
        before = await app.expect("shown")

        await tamper(database, f"truncate {', '.join(OUR_TABLES)}")
        run("psql", "-q", "-v", "ON_ERROR_STOP=1", "-f", dump, database.superuser_url)
        done = await repaired(database)
        async with serving(database, supabase, port, "inline"):
            await paying.pay()
            while (await app.expect("heard", 60))["payload"]["epoch"] != done.epoch:
                pass  # what was owed at the time of the dump is sent again
        await app.do("show")
        after = await app.expect("shown")

    assert (before["balance"], before["version"], before["epoch"]) == ("0.03", 3, 1)
    assert (after["balance"], after["version"], after["epoch"]) == ("0.02", 2, done.epoch)
    assert await items(database) == expected().items
    assert await findings(database) == []
