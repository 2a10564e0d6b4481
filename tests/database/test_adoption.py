"""A database that has the app's tables already: `migrate` leaves it alone, `adopt --report` reads it and no more."""

import asyncio
import io
import json
import subprocess
from collections.abc import Iterator
from contextlib import redirect_stdout

import pytest
from click.testing import CliRunner

from bootstrap.cli import main
from database.adoptees import KINDS, command, drop, dumped, make_adoptee
from devstack.postgres import LocalPostgres, binaries
from infrastructure.adoption.observations import Observation, Part
from infrastructure.adoption.report import survey
from infrastructure.postgres.migrations import print_sql
from support.database import MIGRATOR, Database

LOOSE_END = "insert into private.alembic_version values ('0001')"


@pytest.fixture(scope="module")
def adoptees(cluster: LocalPostgres) -> Iterator[dict[str, Database]]:
    """One of each kind; shared, since nothing here may change them."""
    made = {name: asyncio.run(make_adoptee(cluster, script)) for name, script in KINDS.items()}
    yield made
    for database in made.values():
        asyncio.run(drop(database))


@pytest.fixture(params=["quickstart", "lingualink"])
def adoptee(request: pytest.FixtureRequest, adoptees: dict[str, Database]) -> Database:
    return adoptees[request.param]


@pytest.fixture
def lingualink(adoptees: dict[str, Database]) -> Database:
    return adoptees["lingualink"]


def seen(database: Database) -> dict[tuple[str, str], Observation]:
    """What the report says, by code and place; the last where there are several."""
    return {(one.code, one.where): one for one in asyncio.run(survey(database.migrator))}


# --- migrate


def test_migrate_changes_nothing_and_names_the_report(adoptee: Database) -> None:
    before = dumped(adoptee)

    ran = command(adoptee, "migrate")

    assert (ran.exit_code, ran.stdout) == (1, "")
    cause, remedy = ran.stderr.splitlines()
    assert cause == "Error: The database was not touched."
    assert "public.profiles" in remedy
    assert "`lingualink adopt --report`" in remedy
    assert dumped(adoptee) == before


def test_the_printed_sql_changes_nothing_either(lingualink: Database) -> None:
    before, printed = dumped(lingualink), io.StringIO()
    with redirect_stdout(printed):
        print_sql()

    psql = [str(binaries() / "psql"), "-q", "-v", "ON_ERROR_STOP=1", lingualink.migrator_url]
    done = subprocess.run(
        psql, input=printed.getvalue(), capture_output=True, text=True, check=False, timeout=120
    )

    assert done.returncode == 3
    assert "lingualink adopt --report" in done.stderr
    assert dumped(lingualink) == before


@pytest.mark.parametrize(
    "table", ["public.profiles", "public.posts", "public.voice_clips", "public.wallets", "private.audit_log"]
)
def test_any_one_table_that_is_not_the_migrations_own_is_enough(cluster: LocalPostgres, table: str) -> None:
    database = asyncio.run(
        make_adoptee(cluster, f"create schema if not exists private; create table {table} (id text)")
    )
    try:
        before = dumped(database)
        ran = command(database, "migrate")
        assert (ran.exit_code, table in ran.stderr) == (1, True)
        assert dumped(database) == before
    finally:
        asyncio.run(drop(database))


def test_a_run_of_before_that_stopped_midway_is_no_way_in(cluster: LocalPostgres) -> None:
    left_behind = (
        "create schema private; create table private.alembic_version (version_num varchar(32) primary key);"
    )
    database = asyncio.run(
        make_adoptee(
            cluster,
            left_behind,
            LOOSE_END,
            "create table private.schema_level (level int); create table public.profiles (id uuid primary key)",
        )
    )
    try:
        before = dumped(database)
        ran = command(database, "migrate")
        assert ran.exit_code == 1
        assert "not from these migrations: public.profiles. `lingualink adopt` takes them over" in ran.stderr
        assert ("revision", "database") in seen(database)
        assert dumped(database) == before
    finally:
        asyncio.run(drop(database))


# --- adopt


def test_nothing_is_taken_over_before_somebody_said_who_is_more_than_a_user() -> None:
    ran = CliRunner().invoke(main, ["adopt"], env={})

    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "who is more than a user" in ran.stderr
    assert "adopt --report" in ran.stderr


def test_a_transaction_mode_pooler_is_refused() -> None:
    address = "postgresql://nobody@127.0.0.1:6543/postgres"

    ran = CliRunner().invoke(main, ["adopt", "--report"], env={"MIGRATION_DATABASE_URL": address})

    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "session-mode pooler" in ran.stderr


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_the_report_only_reads(adoptee: Database, form: tuple[str, ...]) -> None:
    before = dumped(adoptee)

    ran = command(adoptee, "adopt", "--report", *form)

    assert (ran.exit_code, ran.stderr) == (0, "")
    assert dumped(adoptee) == before


def test_the_report_can_not_write(cluster: LocalPostgres) -> None:
    trap = """
    create table public.trodden (at timestamptz);
    create function public.tread() returns boolean language plpgsql volatile as
      $$ begin insert into public.trodden values (now()); return true; end $$;
    create view public.profiles as select 'x'::text as id, 'user'::text as role where public.tread();
    """
    database = asyncio.run(make_adoptee(cluster, trap))
    try:
        unread = seen(database)["not_checked", "public.profiles.id"]
        assert "read-only" in unread.message
        assert database.run("select from public.trodden") == []
    finally:
        asyncio.run(drop(database))


def test_lines_and_json_say_the_same(lingualink: Database) -> None:
    lines = command(lingualink, "adopt", "--report").stdout.splitlines()
    listed = json.loads(command(lingualink, "adopt", "--report", "--json").stdout)["observations"]

    assert [line.split(":")[0].split()[:2] for line in lines[:-1]] == [
        [one["part"], one["code"]] for one in listed
    ]
    assert lines[-1].startswith("Nothing was changed. An adoption would stop at")
    assert {one["part"] for one in listed} == set(Part)


def test_the_quickstart_has_no_odd_row_but_its_missing_columns(adoptees: dict[str, Database]) -> None:
    found = seen(adoptees["quickstart"])

    assert found["columns", "public.profiles"].message == "columns: role, created_at"
    assert ("column_nullable", "public.profiles.updated_at") in found
    assert found["value_null", "public.profiles.updated_at"].count == 1
    assert found["constraint", "public.profiles"].message
    assert not {code for code, _ in found} & {"id_no_uuid", "column_type", "orphan", "not_checked"}


MADE = "a0000000-0000-4000-8000-00000000000"


@pytest.mark.parametrize(
    ("code", "where", "count", "value"),
    [
        ("id_no_uuid", "public.profiles.id", 31, "user_2abcClerk"),
        ("id_no_uuid", "public.voice_clips.user_id", 1, "gone"),
        ("id_no_uuid", "public.transactions.user_id", 2, "user_2abcClerk"),
        ("id_twice", "public.profiles.id", 1, f"{MADE}3".replace("a", "A")),
        ("money_null", "public.profiles.balance", 1, f"{MADE}4"),
        ("money_nan", "public.profiles.balance", 1, f"{MADE}2 (NaN)"),
        ("money_negative", "public.profiles.balance", 1, f"{MADE}3 (-4.00)"),
        ("money_beyond_limit", "public.wallets.balance", 1, f"{MADE}1 (100000000.00000)"),
        ("money_too_fine", "public.wallets.balance", 1, f"{MADE}2 (0.00001)"),
        ("role_unknown", "public.profiles.role", 1, f"{MADE}3"),
        ("role_held", "public.profiles.role", 1, f"{MADE}2"),
        ("role_held", "public.profiles.is_admin", 1, f"{MADE}2"),
        ("role_held", "public.profiles.admin_roles", 1, f"{MADE}2"),
        ("status_unknown", "public.voice_clips.status", 1, "c0000000-0000-4000-8000-000000000002"),
        ("status_unknown", "public.withdrawals.status", 1, "d0000000-0000-4000-8000-000000000001"),
        ("orphan", "public.voice_clips.user_id", 1, "c0000000-0000-4000-8000-000000000002 (gone)"),
        ("balance_drift", "public.profiles.balance", 3, "user_2abcClerk (balance 3.00, history 2.00)"),
        (
            "reference_twice",
            "public.transactions.reference_id",
            1,
            "b0000000-0000-4000-8000-000000000002 (top_up, 2 rows)",
        ),
    ],
)
def test_an_odd_row_is_named(lingualink: Database, code: str, where: str, count: int, value: str) -> None:
    observation = seen(lingualink)[code, where]

    assert observation.count == count
    assert value in observation.values


def test_what_is_odd_is_no_more_than_that(lingualink: Database) -> None:
    found = seen(lingualink)

    assert "not_checked" not in {code for code, _ in found}
    assert found["orphan", "public.profiles.id"].count == 31
    assert ("orphan", "public.transactions.user_id") not in found
    assert ("money_negative", "public.transactions.amount") not in found
    assert ("role_held", "public.profiles.user_role") not in found


def test_twenty_values_are_listed_and_all_are_counted(lingualink: Database) -> None:
    observation = seen(lingualink)["id_no_uuid", "public.profiles.id"]

    assert (len(observation.values), observation.count) == (20, 31)
    assert str(observation).endswith(", …")


def test_a_type_that_differs_is_named_with_ours(lingualink: Database) -> None:
    found = seen(lingualink)

    assert found["column_type", "public.profiles.id"].message == "is text, ours is uuid"
    assert found["column_type", "public.wallets.balance"].message == "is numeric(14,5), ours is numeric(12,4)"
    assert ("column_nullable", "public.profiles.role") in found


@pytest.mark.parametrize(
    ("code", "where"),
    [
        ("definer_function", "public.migrate_clerk_user(text)"),
        ("view_without_security_invoker", "public.leaderboard"),
        ("policy_open", "public.voice_clips"),
        ("policy", "public.profiles"),
        ("rls_off", "public.reward_rates"),
        ("table_grant", "public.reward_rates"),
    ],
)
def test_what_clients_could_use_is_named(lingualink: Database, code: str, where: str) -> None:
    assert seen(lingualink)[code, where].part is Part.CLIENTS


def test_what_is_missing_and_what_it_takes_is_named(lingualink: Database) -> None:
    found = seen(lingualink)

    assert "public.posts" in found["tables", "database"].message
    assert found["columns", "public.profiles"].message == "columns: created_at"
    assert "0.0 MB" in found["estimate", "public.profiles"].message


def test_what_clients_wrote_can_not_play_with_a_terminal(cluster: LocalPostgres) -> None:
    script = "insert into public.profiles values (e'\\x1b[2J' || repeat('x', 500))"
    database = asyncio.run(make_adoptee(cluster, "create table public.profiles (id text)", script))
    try:
        [value] = seen(database)["id_no_uuid", "public.profiles.id"].values
        assert value.startswith("\N{REPLACEMENT CHARACTER}[2J")
        assert len(value) == 80
    finally:
        asyncio.run(drop(database))


def test_rows_that_policies_hide_are_not_passed_over(cluster: LocalPostgres) -> None:
    database = asyncio.run(make_adoptee(cluster, "create table public.profiles (id text)"))
    try:
        database.run("alter table public.profiles owner to supabase_admin")
        database.run("alter table public.profiles enable row level security")
        database.run(f"grant select on public.profiles to {MIGRATOR}")
        database.run(f"alter role {MIGRATOR} nobypassrls")
        assert ("not_checked", "public.profiles.id") in seen(database)
    finally:
        database.run(f"alter role {MIGRATOR} bypassrls")
        asyncio.run(drop(database))


def test_a_database_of_the_migrations_own_is_left_to_them(database: Database) -> None:
    assert {code for code, _ in seen(database)} == {"revision", "ours"}


def test_an_empty_project_is_left_to_migrate(cluster: LocalPostgres) -> None:
    database = asyncio.run(make_adoptee(cluster))
    try:
        [observation] = seen(database).values()
        assert "`lingualink migrate`" in observation.message
    finally:
        asyncio.run(drop(database))
