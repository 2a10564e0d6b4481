"""A project of Supabase's quickstart is taken over: old builds go on working, and the service has its database."""

import asyncio
import json
from collections.abc import Iterator
from uuid import UUID

import asyncpg
import httpx
import pytest

from database.adoptees import KINDS, adopt, adoptee, as_client, command, doctor_says, dumped
from devstack.postgres import LocalPostgres
from support.accounts import sign_ups
from support.backend import api, backend, readiness
from support.database import MIGRATOR, Database
from support.people import sign_up
from support.stack import supabase_on

ADA = "a0000000-0000-4000-8000-000000000001"


@pytest.fixture
def quickstart(cluster: LocalPostgres) -> Iterator[Database]:
    with adoptee(cluster, KINDS["quickstart"]) as made:
        yield made


@pytest.fixture(scope="module")
def ada_s(cluster: LocalPostgres) -> Iterator[Database]:
    """One for all who leave it as it is."""
    with adoptee(cluster, KINDS["quickstart"]) as made:
        ran = adopt(made, f"{ADA} admin\n")
        assert ran.exit_code == 0, ran.output
        yield made


def test_it_is_adopted_and_every_step_is_named(quickstart: Database) -> None:
    ran = adopt(quickstart)

    assert (ran.exit_code, ran.stderr) == (0, "")
    assert "… roles.confirmed: " in ran.stdout
    assert ran.stdout.splitlines()[-1].startswith("The database is adopted.")
    [row] = quickstart.run("select tables, posts_source, adopted_at from private.adoption")
    assert (row["tables"], row["posts_source"]) == (["public.profiles"], "posts")
    assert row["adopted_at"] is not None


def test_a_second_run_changes_nothing(quickstart: Database) -> None:
    adopt(quickstart)
    before = dumped(quickstart)

    ran = adopt(quickstart)

    assert (ran.exit_code, ran.stdout) == (0, "The database was adopted before; nothing was changed.\n")
    assert dumped(quickstart) == before
    assert command(quickstart, "migrate").exit_code == 0
    assert dumped(quickstart) == before


def test_the_doctor_finds_nothing_that_is_not_as_it_should_be(ada_s: Database) -> None:
    assert doctor_says(ada_s) == []


# --- what the app does with it, before and after

SAVE = (
    "insert into public.profiles (id, username, website, updated_at) values ('{me}', 'ada_l', 'https://x.test', now()) "
    "on conflict (id) do update set username = excluded.username, website = excluded.website, "
    "updated_at = excluded.updated_at"
)
OLD_BUILDS = {
    "reads everybody": "select id, username, avatar_url from public.profiles",
    "reads its own": "select username, website, avatar_url from public.profiles where id = '{me}'",
    "saves its profile": SAVE,
    "edits its picture": "update public.profiles set avatar_url = 'https://x.test/a.png' where id = '{me}'",
}


@pytest.mark.parametrize("doing", OLD_BUILDS)
def test_an_old_build_does_the_same_before_and_after(quickstart: Database, doing: str) -> None:
    before = as_client(quickstart, OLD_BUILDS[doing], ADA)
    adopt(quickstart)

    assert as_client(quickstart, OLD_BUILDS[doing], ADA) == before
    assert int(before.split()[-1]) == 1


@pytest.mark.parametrize(
    "attack",
    [
        "update public.profiles set role = 'moderator' where id = '{me}'",
        "insert into public.profiles (id, role) values ('{me}', 'user') on conflict (id) do update set role = 'user'",
        "insert into public.profiles (id, username) values (gen_random_uuid(), 'somebody')",
        "truncate public.profiles",
    ],
)
def test_a_client_that_could_write_every_column_can_not_write_those_of_the_service(
    ada_s: Database, attack: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        as_client(ada_s, attack, ADA)


def test_what_clients_could_not_read_before_they_can_not_read_after(cluster: LocalPostgres) -> None:
    private = KINDS["quickstart"].replace(
        "for select using (true)", "for select using ((select auth.uid()) = id)"
    )
    reading = "select from public.profiles"
    with adoptee(cluster, private) as database:
        database.run("insert into auth.users (id) values (gen_random_uuid())")
        assert (as_client(database, reading, ADA), as_client(database, reading, None)) == (
            "SELECT 1",
            "SELECT 0",
        )
        adopt(database)
        assert (as_client(database, reading, ADA), as_client(database, reading, None)) == (
            "SELECT 1",
            "SELECT 0",
        )


def test_where_there_was_no_row_level_security_clients_still_read_and_edit_their_own(
    cluster: LocalPostgres,
) -> None:
    bare = (
        "create table public.profiles (id uuid primary key, username text); "
        "grant all on public.profiles to anon, authenticated"
    )
    ada = f"insert into public.profiles (id) values ('{ADA}')"
    with adoptee(cluster, bare, ada) as database:
        adopt(database)
        assert as_client(database, "select from public.profiles", None) == "SELECT 1"
        assert (
            as_client(database, "update public.profiles set username = 'ada' where id = '{me}'", ADA)
            == "UPDATE 1"
        )
        assert as_client(database, "update public.profiles set username = 'x'", None) == "UPDATE 0"


# --- what the service does with it


def test_somebody_new_has_a_profile_of_the_app_s_and_a_wallet_of_the_service_s(ada_s: Database) -> None:
    async def come() -> tuple[httpx.Response, httpx.Response]:
        async with sign_ups(supabase) as http:
            person = await sign_up(http)
        async with api(system, person.token) as client:
            return await client.get("/profile"), await client.get("/wallet")

    with supabase_on(ada_s.cluster, ada_s.name) as supabase, backend(ada_s, supabase) as system:
        ready = readiness(system.api_url)
        profile, wallet = asyncio.run(come())
    assert ready.status_code == 200
    assert (profile.status_code, profile.json()["role"]) == (200, "user")
    assert (wallet.status_code, wallet.json()["balance"]) == (200, "0.00")


def test_who_was_confirmed_has_the_role_and_it_is_recorded(ada_s: Database) -> None:
    [profile] = ada_s.run("select role from public.profiles where id = $1", UUID(ADA))
    [record] = ada_s.run(
        "select operator, before, after from private.audit_log where target_id = $1 and action = 'role.changed'",
        UUID(ADA),
    )
    assert profile["role"] == "admin"
    assert (record["operator"], json.loads(record["before"]), json.loads(record["after"])) == (
        MIGRATOR,
        {"role": "user"},
        {"role": "admin"},
    )
