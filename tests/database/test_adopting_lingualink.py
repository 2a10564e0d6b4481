"""LinguaLink's own database is taken over, with ids of either type: people, roles, and what old builds do."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import pytest

from database.adoptees import adopt, adoptee, as_client, command, doctor_says, dumped
from devstack.adoptee import LINGUALINK
from devstack.postgres import LocalPostgres
from support.database import MIGRATOR, Database, cloned

ADMIN = "a0000000-0000-4000-8000-000000000001"
MODERATOR = "b0000000-0000-4000-8000-000000000002"
LEARNER = "c0000000-0000-4000-8000-000000000003"
STAFF = f"{ADMIN} admin  # the owner\n\nmoderator@lingualink.test moderator\n"
ACCOUNTS = (
    "insert into auth.users (id, email) select id::uuid, email from (values "
    + ", ".join(
        f"('{who}', '{name}@lingualink.test')" for who, name in ((ADMIN, "admin"), (MODERATOR, "moderator"))
    )
    + ") as u (id, email)"
)


@contextmanager
def copied(cluster: LocalPostgres, original: Database) -> Iterator[Database]:
    """A copy of *original*, with the right that PostgreSQL does not copy."""
    with cloned(cluster, original.name) as made:
        made.run(f'grant create on database "{made.name}" to {MIGRATOR}')
        yield made


@pytest.fixture(scope="module", params=["uuid", "text"])
def before(cluster: LocalPostgres, request: pytest.FixtureRequest) -> Iterator[Database]:
    """LinguaLink's own, to be copied."""
    with adoptee(cluster, ACCOUNTS, LINGUALINK.replace(":id", request.param)) as made:
        yield made


@pytest.fixture(scope="module")
def adopted(cluster: LocalPostgres, before: Database) -> Iterator[Database]:
    """The same after it was adopted, for all who leave it as it is, and to be copied."""
    with copied(cluster, before) as made:
        ran = adopt(made, STAFF)
        assert ran.exit_code == 0, ran.output
        yield made


@pytest.fixture
def lingualink(cluster: LocalPostgres, before: Database) -> Iterator[Database]:
    """One of the test's own, not adopted yet."""
    with copied(cluster, before) as made:
        yield made


@pytest.fixture(scope="module")
def sound(adopted: Database) -> list[str]:
    """What the doctor says of one that nobody damaged."""
    return doctor_says(adopted)


@pytest.fixture
def taken(cluster: LocalPostgres, adopted: Database) -> Iterator[Database]:
    """One of the test's own, adopted."""
    with copied(cluster, adopted) as made:
        yield made


def test_only_who_was_confirmed_is_more_than_a_user(adopted: Database) -> None:
    rows = adopted.run("select id::text, role from public.profiles where role <> 'user' order by 1")

    assert [tuple(row) for row in rows] == [(ADMIN, "admin"), (MODERATOR, "moderator")]


def test_what_roles_were_before_is_kept_and_each_change_is_recorded(adopted: Database) -> None:
    kept = adopted.run("select user_id::text, role, marks from private.adopted_roles order by 1")
    records = adopted.run(
        "select target_id::text, before ->> 'role' as before, after ->> 'role' as after from private.audit_log "
        "where action = 'role.changed' order by 1"
    )

    assert [(row["user_id"][-1], row["role"], json.loads(row["marks"])) for row in kept] == [
        ("1", "super_admin", {"is_admin": "true", "admin_roles": "{payouts}"}),
        ("2", "admin", {"is_admin": "true"}),
        ("5", "admin", {"is_admin": "true", "admin_roles": "{all}"}),
        ("7", "owner", {}),
    ]
    assert [(row["target_id"][-1], row["before"], row["after"]) for row in records] == [
        ("1", "super_admin", "admin"),
        ("2", "admin", "moderator"),
        ("5", "admin", "user"),
        ("7", "owner", "user"),
    ]


def test_no_column_changed_its_type_and_no_row_went(lingualink: Database) -> None:
    columns = (
        "select table_name::text, column_name::text, data_type::text, numeric_precision, numeric_scale "
        "from information_schema.columns where table_schema = 'public' and (table_name, column_name) in (select * from "
        "unnest($1::text[], $2::text[])) order by 1, 2"
    )
    every = "select table_name::text, column_name::text from information_schema.columns where table_schema = 'public'"
    tables, names = zip(*[tuple(row) for row in lingualink.run(every)], strict=True)
    counts = "select (select count(*) from {0}) as n"
    before = lingualink.run(columns, list(tables), list(names))
    rows = {table: lingualink.run(counts.format(f"public.{table}"))[0]["n"] for table in set(tables)}

    adopt(lingualink, STAFF)

    assert lingualink.run(columns, list(tables), list(names)) == before
    assert {table: lingualink.run(counts.format(f"public.{table}"))[0]["n"] for table in rows} == rows


def test_an_index_of_the_app_s_stays(adopted: Database) -> None:
    assert adopted.run("select from pg_indexes where indexname = 'profiles_username'")


def test_the_doctor_names_private_columns_and_nothing_that_is_broken(sound: list[str]) -> None:
    assert {line.split(":")[0] for line in sound} == {
        "error credential_readable",
        "warning private_readable",
        "warning wallets_frozen",
    }
    assert any("profiles.admin_password_hash" in line for line in sound)
    assert any("profiles.balance" in line for line in sound)


@pytest.mark.parametrize(
    "damage",
    [
        "drop policy only_update on public.profiles",
        "alter policy only_insert on public.profiles with check (true)",
        "drop trigger zz_guard_profile on public.profiles",
        "drop index public.lingualink_profiles_newest",
        "alter table public.profiles drop constraint profiles_role_known",
    ],
)
def test_what_was_damaged_is_named_and_made_again_after_a_restore(
    taken: Database, sound: list[str], damage: str
) -> None:
    taken.run(damage)
    assert doctor_says(taken) != sound

    assert command(taken, "restored").exit_code == 0

    assert doctor_says(taken) == sound


OLD_BUILDS = {
    "edits its profile": (
        "update public.profiles set full_name = 'L', bio = 'b', country = 'NG', expo_push_token = 't', "
        "notification_prefs = '{{}}', updated_at = now() where id::text = '{me}'"
    ),
    "reads its balance": "select balance, total_earned from public.profiles where id::text = '{me}'",
    "reads somebody's profile": "select * from public.profiles where username = 'tutor'",
    "reads its transactions": "select * from public.transactions",
}


@pytest.mark.parametrize("doing", OLD_BUILDS)
def test_an_old_build_does_the_same_before_and_after(
    lingualink: Database, taken: Database, doing: str
) -> None:
    done = as_client(lingualink, OLD_BUILDS[doing], LEARNER)

    assert as_client(taken, OLD_BUILDS[doing], LEARNER) == done
    assert done.endswith(" 1")


@pytest.mark.parametrize("role", ["admin", "moderator", "super_admin"])
def test_nobody_gives_oneself_a_role_any_more(adopted: Database, role: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        as_client(adopted, f"update public.profiles set role = '{role}' where id::text = '{{me}}'", LEARNER)


def test_nobody_empties_profiles_with_all_that_refers_to_them(adopted: Database) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        as_client(adopted, "truncate public.profiles cascade", LEARNER)


def test_what_only_old_builds_need_goes_when_it_is_asked_for(lingualink: Database) -> None:
    theirs = "select {columns} from public.profiles where username = 'tutor'"
    assert command(lingualink, "adopt", "--retire-legacy").exit_code == 1
    adopt(lingualink, STAFF)
    assert as_client(lingualink, theirs.format(columns="email, balance"), LEARNER) == "SELECT 1"

    first, second = (command(lingualink, "adopt", "--retire-legacy") for _ in range(2))

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert ("… legacy." in first.stdout, "… legacy." in second.stdout) == (True, False)
    for column in ("email", "balance", "admin_password_hash", "*"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            as_client(lingualink, theirs.format(columns=column), LEARNER)
    assert as_client(lingualink, theirs.format(columns="id, username, bio"), None) == "SELECT 1"
    assert (
        as_client(lingualink, "update public.profiles set bio = 'b' where id::text = '{me}'", LEARNER)
        == "UPDATE 1"
    )
    assert [line.split(":")[0] for line in doctor_says(lingualink)] == ["warning wallets_frozen"]


def test_a_portal_with_the_secret_key_gives_no_role_that_is_none(adopted: Database) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        adopted.run("update public.profiles set role = 'super_admin'")


def test_ids_that_are_no_uuid_stop_it_before_any_change(cluster: LocalPostgres) -> None:
    clerk = "insert into public.profiles (id) values ('user_2abcClerk')"
    with adoptee(cluster, LINGUALINK.replace(":id", "text"), clerk) as database:
        before = dumped(database)
        ran = adopt(database)
        assert ran.exit_code == 1
        assert "stops id_no_uuid public.profiles.id: is no UUID (1): user_2abcClerk" in ran.stdout
        assert ran.stderr.startswith("Error: The database was not touched")
        assert dumped(database) == before


def test_afterwards_the_database_takes_no_id_that_is_none(cluster: LocalPostgres) -> None:
    with adoptee(cluster, LINGUALINK.replace(":id", "text")) as database:
        adopt(database)
        with pytest.raises(asyncpg.InvalidTextRepresentationError):
            database.run("insert into public.profiles (id) values ('user_2abcClerk')")
        with pytest.raises(asyncpg.UniqueViolationError):
            database.run(f"insert into public.profiles (id) values ('{ADMIN.upper()}')")


@pytest.mark.parametrize(
    ("people", "why"),
    [
        ("someone@lingualink.test admin", "There is no account someone@lingualink.test."),
        (f"{ADMIN} super_admin", "Line 1 is not <user id or e-mail address> <user|moderator|admin>."),
        (f"{ADMIN} admin\n{ADMIN} user", f"Line 2 names {ADMIN} a second time."),
        (
            f"{ADMIN} admin\nadmin@lingualink.test user",
            "admin@lingualink.test is named by id and by address.",
        ),
    ],
)
def test_a_list_that_can_not_be_taken_changes_nothing(lingualink: Database, people: str, why: str) -> None:
    before = dumped(lingualink)
    ran = adopt(lingualink, people)
    assert (ran.exit_code, ran.stderr.splitlines()[0]) == (1, f"Error: {why}")
    assert dumped(lingualink) == before


def test_a_dry_run_says_each_step_and_who_would_be_what_and_changes_nothing(lingualink: Database) -> None:
    before = dumped(lingualink)
    ran = command(lingualink, "adopt", "--dry-run", "--confirm-roles", "-", given=STAFF)
    assert ran.exit_code == 0
    assert "steps to_do roles.confirmed: " in ran.stdout
    assert f"steps role {MODERATOR}: will be moderator" in ran.stdout
    assert "found rate public.reward_rates: voice_clip_approved is paid 0.0050" in ran.stdout
    assert "rows role_unknown public.profiles.role: 'super_admin' is no role of ours (1)" in ran.stdout
    assert dumped(lingualink) == before
