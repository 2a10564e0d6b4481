"""An adoption is killed at any moment, or waits for somebody: started again, it ends in the same state."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from secrets import SystemRandom
from typing import Any

import asyncpg
import pytest

from database.adoptees import KINDS, adopt, adoptee, command, doctor_says
from devstack.adoptee import LINGUALINK
from devstack.postgres import LocalPostgres
from infrastructure.doctor.catalogue import read_items
from support.backend import backend, readiness
from support.database import Database
from support.stack import supabase_on

CHAOS = bool(os.environ.get("LINGUALINK_CHAOS"))
KILLS = 20 if CHAOS else 2
LONGEST_S = 4.0
MOMENTS = ("profiles.indexes", "migrations", "roles.confirmed", "clips.guards", "money.openings")
TEXT = LINGUALINK.replace(":id", "text")

COLUMNS = """
select table_schema, table_name, column_name, data_type, is_nullable, column_default
from information_schema.columns where table_schema in ('public', 'private')
"""
PEOPLE = "select to_jsonb(p) - 'created_at' - 'updated_at' from public.profiles p"
ROLES = "select user_id, role, marks from private.adopted_roles"
RECORDS = "select operator, action, target_id, before, after, reason from private.audit_log"
OPENINGS = "select user_id, balance, transaction_id is null from private.openings"
WALLETS = "select user_id, balance, version, frozen from public.wallets"
LEDGER = "select user_id, kind, amount, balance_after, version from public.wallet_transactions"
ENTRIES = "select account, amount from private.ledger_entries"
POSTS = "select to_jsonb(p) - 'home' - 'created_at' from private.posts p"
STEPS = "select name from private.adoption_steps"
FINISHED = "select tables, posts_source, adopted_at is not null from private.adoption"
COMMAND = "from bootstrap.cli import main; main()"
KILLED_AT = """
import os, signal, sys
import click
step, say = sys.argv.pop(1), click.echo
def say_or_die(text, **options):
    if text.startswith(f"… {step}:"):
        os.kill(os.getpid(), signal.SIGKILL)
    say(text, **options)
click.echo = say_or_die
"""


@contextmanager
def running(database: Database, killed_at: str | None = None) -> "Iterator[subprocess.Popen[str]]":
    """``lingualink adopt`` with nobody confirmed; it dies when it would say that it begins with *killed_at*."""
    code = [COMMAND] if killed_at is None else [KILLED_AT + COMMAND, killed_at]
    with tempfile.NamedTemporaryFile("w") as nobody:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                *code,
                "adopt",
                "--confirm-roles",
                nobody.name,
            ],
            env={**os.environ, "MIGRATION_DATABASE_URL": database.migrator_url},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def state_of(database: Database) -> list[Any]:
    """All that an adoption leaves, but for times."""
    asked = (COLUMNS, PEOPLE, ROLES, RECORDS, OPENINGS, WALLETS, LEDGER, ENTRIES, POSTS, STEPS, FINISHED)
    return [
        sorted(asyncio.run(_items(database)).items()),
        *[sorted(map(str, database.run(query))) for query in asked],
    ]


async def _items(database: Database) -> dict[str, str]:
    connection = await asyncpg.connect(database.superuser_url)
    try:
        return await read_items(connection)
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def whole(cluster: LocalPostgres) -> list[Any]:
    """The state of one that nobody killed."""
    with adoptee(cluster, TEXT) as made:
        assert adopt(made).exit_code == 0
        return state_of(made)


@pytest.mark.parametrize("step", MOMENTS)
def test_killed_as_a_step_begins_it_goes_on_from_there(
    cluster: LocalPostgres, whole: list[Any], step: str
) -> None:
    with adoptee(cluster, TEXT) as database:
        with running(database, killed_at=step) as process:
            assert process.wait(timeout=120) == -signal.SIGKILL
        done = {row["name"] for row in database.run(STEPS)}
        assert step not in done
        if step == "profiles.indexes":
            migrated = command(database, "migrate")
            assert (migrated.exit_code, "`lingualink adopt`" in migrated.stderr) == (1, True)
        again = adopt(database)  # the process that is killed is a real one; this one goes on in ours
        assert (again.exit_code, again.stderr) == (0, "")
        assert not any(f"… {name}:" in again.stdout for name in done)
        assert state_of(database) == whole


def test_killed_at_random_moments_it_ends_in_the_same_state(cluster: LocalPostgres, whole: list[Any]) -> None:
    kills = 0
    while kills < KILLS:
        with adoptee(cluster, TEXT) as database:
            ended = False
            while not ended:
                with running(database) as process:
                    patience = SystemRandom().uniform(0.3, LONGEST_S) if kills < KILLS else 120
                    with suppress(subprocess.TimeoutExpired):
                        _, complaint = process.communicate(timeout=patience)
                        assert (process.returncode, complaint) == (0, "")
                        ended = True
                    kills += not ended
            assert state_of(database) == whole


def test_half_of_it_is_not_ready_and_says_why(cluster: LocalPostgres) -> None:
    with adoptee(cluster, KINDS["quickstart"]) as database:
        assert adopt(database).exit_code == 0
        database.run("update private.adoption set adopted_at = null")
        with supabase_on(cluster, database.name) as supabase, backend(database, supabase) as system:
            ready = readiness(system.api_url)
        assert (ready.status_code, ready.json()["parts"]["schema"]) == (
            503,
            "the adoption is not finished: run `lingualink adopt` again",
        )
        assert [line.split(":")[0] for line in doctor_says(database)] == ["error half_adopted"]


def test_none_of_it_is_not_ready_and_says_why(projects: LocalPostgres) -> None:
    """The role of the service is there: it belongs to the cluster, and another database of it is at head."""
    with adoptee(projects, KINDS["quickstart"]) as database:
        with supabase_on(projects, database.name) as supabase, backend(database, supabase) as system:
            ready = readiness(system.api_url)
        assert ready.status_code == 503
        assert ready.json()["parts"]["schema"].startswith("the app's tables were not taken over")
