"""The doctor is silent about a healthy deployment, and names each kind of damage."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from pydantic import SecretStr

from bootstrap.doctor import run_checks
from database.arena import migrate_app
from devstack.postgres import LocalPostgres, binaries
from infrastructure.doctor.app import check_app_columns, check_cascades, check_functions, check_views
from infrastructure.doctor.catalogue import check_catalogue, check_drift
from infrastructure.doctor.clients import check_clients
from infrastructure.doctor.database import (
    check_level,
    check_read_only,
    check_relay,
    check_role_settings,
    check_sessions,
    check_sizes,
)
from infrastructure.doctor.findings import Finding, Findings, Severity
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import connect
from infrastructure.settings import Settings
from support.backend import environment_for, settings_for
from support.database import Database, cloned
from support.ports import free_port
from support.stack import SECRET_KEY, SupabaseStack, supabase_on

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="session")
def supabase(projects: LocalPostgres) -> Iterator[SupabaseStack]:
    """A Supabase that is well."""
    with cloned(projects) as made, supabase_on(projects, made.name) as running:
        yield running


async def diagnose(database: Database, supabase: SupabaseStack, **changes: Any) -> Sequence[Finding]:
    return await found(settings_for(database, supabase, **changes), database.migrator)


async def found(settings: Settings, migrator: DatabaseAddress | None) -> Sequence[Finding]:
    """What is not as it should be; notes say what is."""
    return [
        finding async for finding in run_checks(settings, migrator) if finding.severity is not Severity.NOTE
    ]


async def damage(database: Database, *statements: str) -> None:
    connection = await asyncpg.connect(database.superuser_url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_a_healthy_deployment_has_no_findings(database: Database, supabase: SupabaseStack) -> None:
    assert await diagnose(database, supabase) == []


async def test_looking_changes_nothing(database: Database, supabase: SupabaseStack) -> None:
    query = "select count(*) from public.profiles union all select count(*) from realtime.messages"
    before = await database.fetch(query)
    await diagnose(database, supabase)
    assert await database.fetch(query) == before


@dataclass(frozen=True, slots=True)
class Damage:
    """What somebody did, and what must be said about it."""

    name: str
    sql: tuple[str, ...]
    code: str
    says: str


CHECKS: Mapping[str, Callable[[asyncpg.Connection], Findings]] = {
    "definer_function": check_functions,
    "view_without_security_invoker": check_views,
    "history_is_deleted": check_cascades,
    "migrations_missing": check_level,
    "database_is_newer": check_level,
    "profile_column_required": check_app_columns,
    "nobody_relays": check_relay,
    "events_wait": check_relay,
    "database_read_only": check_read_only,
    "role_setting_foreign": check_role_settings,
    "role_setting_changed": check_role_settings,
}
OWED = (
    "insert into private.realtime_outbox (event_id, topic, event, payload, created_at) "
    "select gen_random_uuid(), 'user:' || gen_random_uuid(), 'x', '{{}}', now() - interval '{seconds} s' "
    "from generate_series(1, {count})"
)
SECRET_READER = (
    "create function public.look(who uuid) returns numeric language sql security definer as "
    "$$select balance from public.wallets where user_id = who$$"
)
DAMAGES = (
    Damage(
        "a policy is dropped",
        ("drop policy only_update on public.posts",),
        "missing",
        "only_update on public.posts",
    ),
    Damage(
        "a policy is widened",
        ("alter policy only_select on public.wallets using (true)",),
        "altered",
        "policy only_select on public.wallets",
    ),
    Damage(
        "row level security is off",
        ("alter table public.wallets disable row level security",),
        "missing",
        "row level security of public.wallets",
    ),
    Damage(
        "row level security is off, and so a client reads",
        ("alter table public.wallets disable row level security",),
        "client_can",
        "read another user's wallet",
    ),
    Damage(
        "a guard is disabled",
        ("alter table public.profiles disable trigger zz_guard_profile",),
        "altered",
        "trigger zz_guard_profile",
    ),
    Damage(
        "a guard is disabled, and so a client takes a role",
        ("alter table public.profiles disable trigger zz_guard_profile",),
        "client_can",
        "give itself a role",
    ),
    Damage(
        "a guard yields in replica mode",
        ("alter table public.wallets enable trigger zz_refuse_clients",),
        "altered",
        "zz_refuse_clients on public.wallets",
    ),
    Damage(
        "a guard is dropped",
        ("drop trigger zz_guard_post on public.posts",),
        "missing",
        "trigger zz_guard_post",
    ),
    Damage(
        "the ledger's guard is dropped",
        ("drop trigger zz_keep_history on public.wallet_transactions",),
        "missing",
        "trigger zz_keep_history",
    ),
    Damage(
        "a guard's function is replaced",
        (
            (
                "create or replace function private.guard_profile() returns trigger language plpgsql as "
                "$$begin return new; end$$"
            ),
        ),
        "altered",
        "function private.guard_profile()",
    ),
    Damage(
        "a guard's function loses its search path",
        ("alter function private.guard_post() reset search_path",),
        "altered",
        "function private.guard_post()",
    ),
    Damage(
        "a check is dropped",
        ("alter table public.wallets drop constraint wallets_balance_range",),
        "missing",
        "constraint wallets_balance_range",
    ),
    Damage(
        "a column is dropped",
        ("alter table public.wallets drop column updated_at",),
        "drift",
        "wallets.updated_at",
    ),
    Damage(
        "a column is added to a table of ours",
        ("alter table public.wallets add column x int",),
        "drift",
        "wallets.x",
    ),
    Damage(
        "a column changes its type",
        ("alter table private.bans alter column reason type varchar(20)",),
        "drift",
        "modify_type",
    ),
    Damage(
        "an index is dropped",
        ("drop index public.lingualink_posts_queue",),
        "missing",
        "index lingualink_posts_queue",
    ),
    Damage(
        "clients lose a grant",
        ("revoke select on public.wallets from authenticated",),
        "client_can_not",
        "read its own wallet",
    ),
    Damage(
        "the app forbids what it needs",
        ("create policy app_no on public.profiles as restrictive for update to authenticated using (false)",),
        "client_can_not",
        "edit its own name",
    ),
    Damage(
        "the service loses a right",
        ("revoke insert on private.audit_log from lingualink_api",),
        "missing",
        "right of lingualink_api to INSERT on table private.audit_log",
    ),
    Damage(
        "the service may rewrite the ledger",
        ("grant update, delete on public.wallet_transactions to lingualink_api",),
        "role_has_more_rights",
        "DELETE on table public.wallet_transactions",
    ),
    Damage(
        "clients are let into a private table",
        ("grant select on private.audit_log to authenticated",),
        "private_opened",
        "SELECT on table private.audit_log",
    ),
    Damage(
        "everybody may ask for anybody's account_status",
        ("grant execute on function private.account_status(uuid, uuid) to public",),
        "private_opened",
        "private.account_status(uuid,uuid)",
    ),
    Damage("a definer function reads wallets", (SECRET_READER,), "definer_function", "look(uuid)"),
    Damage(
        "a definer function of another schema reads the vault",
        (
            "create schema api",
            "grant usage on schema api to anon",
            (
                "create function api.audit() returns setof private.audit_log language sql security definer as "
                "$$select * from private.audit_log$$"
            ),
        ),
        "definer_function",
        "api.audit()",
    ),
    Damage(
        "a view shows wallets",
        ("create view public.rich as select * from public.wallets", "grant select on public.rich to anon"),
        "view_without_security_invoker",
        "view rich",
    ),
    Damage(
        "history goes with its user",
        (
            (
                "alter table public.wallet_transactions add constraint app_user foreign key (user_id) "
                "references auth.users (id) on delete cascade"
            ),
        ),
        "history_is_deleted",
        "app_user",
    ),
    Damage(
        "a topic's policy is dropped",
        (
            "drop policy lingualink_only_receive_own on realtime.messages",
            "create policy app on realtime.messages for select to authenticated using (true)",
        ),
        "client_can",
        "listen to another user's topic",
    ),
    Damage(
        "a migration is missing",
        ("update private.schema_level set level = 3",),
        "migrations_missing",
        "level 3",
    ),
    Damage(
        "the database is ahead",
        ("update private.schema_level set level = 9000",),
        "database_is_newer",
        "9000",
    ),
    Damage(
        "the app's column keeps new people out",
        ("alter table public.profiles add column app_country text not null",),
        "profile_column_required",
        "profiles.app_country",
    ),
    Damage(
        "events wait and nobody relays",
        (OWED.format(count=40, seconds=5),),
        "nobody_relays",
        "40 events wait",
    ),
    Damage(
        "events wait although somebody relays",
        (
            OWED.format(count=3, seconds=300),
            "update private.relay_lease set holder = gen_random_uuid(), expires_at = now() + interval '10 s'",
        ),
        "events_wait",
        "the oldest for 30",
    ),
    Damage(
        "the database takes no writes",
        (
            (
                "do $$begin execute format('alter database %I set default_transaction_read_only = on', "
                "current_database()); end$$"
            ),
        ),
        "database_read_only",
        "read-only",
    ),
    Damage(
        "the service's role has a setting of somebody's in this database",
        (
            (
                "do $$begin execute format('alter role lingualink_api in database %I set search_path = evil', "
                "current_database()); end$$"
            ),
        ),
        "role_setting_foreign",
        "search_path",
    ),
    Damage(
        "the service's role may hold a lock for ever in this database",
        (
            (
                "do $$begin execute format('alter role lingualink_api in database %I set statement_timeout = 0', "
                "current_database()); end$$"
            ),
        ),
        "role_setting_changed",
        "statement_timeout",
    ),
    Damage(
        "nothing can be made up",
        ("alter table public.profiles add column app_country text not null",),
        "clients_not_probed",
        "app_country",
    ),
)


async def findings_of(code: str, database: Database) -> Sequence[Finding]:
    """What the check that speaks of *code* finds; that all of them are asked, other tests show."""
    if code == "drift":
        return [finding async for finding in check_drift(database.service)]
    as_owner = code.startswith("client")
    url = database.migrator_url if as_owner else database.service_url
    connection = await asyncpg.connect(url, statement_cache_size=0)
    check = check_clients if as_owner else CHECKS.get(code, check_catalogue)
    try:
        return [finding async for finding in check(connection)]
    finally:
        await connection.close()


@pytest.mark.parametrize("case", DAMAGES, ids=lambda case: case.name)
async def test_damage_is_named(case: Damage, database: Database) -> None:
    await damage(database, *case.sql)
    findings = await findings_of(case.code, database)
    assert [finding for finding in findings if finding.code == case.code and case.says in str(finding)], (
        findings
    )


async def test_nearly_all_connections_of_the_role_in_use_is_a_warning(database: Database) -> None:
    connection = await connect(database.service, statement_cache_size=0)
    await damage(database, "alter role lingualink_api connection limit 1")
    try:
        findings = [finding async for finding in check_sessions(connection)]
    finally:  # a role belongs to the whole cluster
        await damage(database, "alter role lingualink_api connection limit -1")
        await connection.close()
    assert [finding.code for finding in findings] == ["connections_scarce"]


async def test_large_tables_are_named(database: Database) -> None:
    connection = await connect(database.service, statement_cache_size=0)
    try:
        none = [finding async for finding in check_sizes(connection)]
        all_of_them = [str(finding) async for finding in check_sizes(connection, 0)]
    finally:
        await connection.close()
    assert none == []
    assert "public.wallet_transactions takes" in "\n".join(all_of_them)


async def test_another_issuer_is_named(database: Database, supabase: SupabaseStack) -> None:
    [finding] = await diagnose(database, supabase, supabase_jwt_issuer=["https://auth.example.org/auth/v1"])

    assert finding.code == "issuer_not_accepted"
    assert f"SUPABASE_JWT_ISSUER={supabase.url}/auth/v1" in finding.fix


@pytest.mark.parametrize(
    "sql",
    [
        "drop policy only_update on public.posts",
        "alter policy only_select on public.wallets using (true)",
        "drop policy author_adds_post on public.posts",
        "alter table public.wallets disable row level security",
        "alter table public.profiles disable trigger zz_guard_profile",
        "drop trigger zz_guard_post on public.posts",
        "alter table public.wallets drop constraint wallets_balance_range",
        (
            "alter table public.wallets drop constraint wallets_balance_range, "
            "add constraint wallets_balance_range check (balance >= 0)"
        ),
        "drop index public.lingualink_posts_queue",
        "revoke insert on private.audit_log from lingualink_api",
        "grant select on private.audit_log to authenticated",
    ],
)
async def test_what_the_doctor_says_to_run_mends_it(database: Database, sql: str) -> None:
    await damage(database, sql)
    [finding] = await findings_of("altered", database)

    statement = finding.fix.removeprefix("run `").removesuffix("`")
    await damage(database, statement)

    assert await findings_of("altered", database) == []


async def test_a_dump_that_is_restored_is_no_damage(database: Database) -> None:
    """PostgreSQL prints what it parsed: what it prints of that must be the same again."""
    restored = Database(database.cluster, f"{database.name}_restored")
    await damage(database, f'create database "{restored.name}"')
    try:
        dump = [str(binaries() / "pg_dump"), "--format=plain", database.superuser_url]
        text = await asyncio.to_thread(subprocess.run, dump, check=True, capture_output=True)
        psql = [str(binaries() / "psql"), "--quiet", "--set", "ON_ERROR_STOP=1", restored.superuser_url]
        await asyncio.to_thread(subprocess.run, psql, input=text.stdout, check=True, capture_output=True)
        assert await findings_of("altered", restored) == []
    finally:
        await damage(database, f'drop database "{restored.name}" with (force)')


async def test_what_is_harmless_is_not_named(database: Database, supabase: SupabaseStack) -> None:
    await damage(
        database,
        "alter table public.profiles add column bio text",
        "create index app_bio on public.profiles (bio)",
        "create table public.app_rooms (id uuid primary key)",
        "create policy app_posts on public.posts for all to public using (true) with check (true)",
        "grant all on all tables in schema public to anon, authenticated",
        "create function public.is_admin() returns boolean language sql security definer as "
        "$$select exists (select from public.profiles where id = auth.uid() and role = 'admin')$$",
        "create view public.names with (security_invoker = true) as select * from public.posts",
        "grant select on public.names to anon",
        "alter role lingualink_api set statement_timeout = '7s'",
    )
    try:
        assert await diagnose(database, supabase) == []
    finally:  # a role belongs to the whole cluster
        await damage(database, "alter role lingualink_api set statement_timeout = '5s'")


async def test_a_careless_migration_of_the_app_is_named(database: Database, supabase: SupabaseStack) -> None:
    await migrate_app(database)
    findings = await diagnose(database, supabase)
    assert {(finding.code, finding.severity) for finding in findings} == {
        ("view_without_security_invoker", "error"),
        ("view_without_security_invoker", "warning"),
        ("definer_function", "warning"),
    }


async def test_running_as_the_migrations_role_is_a_warning(
    database: Database, supabase: SupabaseStack
) -> None:
    settings = settings_for(database, supabase, lingualink_database_pooler="none")
    as_postgres = settings.model_copy(update={"database_url": SecretStr(database.migrator_url)})
    [finding] = await found(as_postgres, database.migrator)
    assert (finding.severity, finding.code) == (Severity.WARNING, "role_too_powerful")


async def test_without_a_migration_address_clients_are_not_probed(
    database: Database, supabase: SupabaseStack
) -> None:
    [finding] = await found(settings_for(database, supabase), None)
    assert finding.code == "clients_not_probed"


async def test_a_database_that_is_away_is_named(database: Database, supabase: SupabaseStack) -> None:
    away = SecretStr(f"postgresql://x@127.0.0.1:{free_port()}/x")
    settings = settings_for(database, supabase).model_copy(update={"database_url": away})
    assert [finding.code for finding in await found(settings, None)] == ["database_unreachable"]


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({"supabase_secret_key": SecretStr("sb_secret_of_somebody_else")}, ["realtime_refuses_key"]),
        ({"supabase_jwks_url": "http://127.0.0.1:1/keys"}, ["signing_keys_unreachable"]),
        (
            {"supabase_url": "http://127.0.0.1:1"},
            ["signing_keys_unreachable", "realtime_unreachable"],
        ),
    ],
    ids=["another project's key", "no signing keys", "no Supabase"],
)
async def test_trouble_with_supabase_is_named(
    changes: Mapping[str, Any], codes: Sequence[str], database: Database, supabase: SupabaseStack
) -> None:
    settings = settings_for(database, supabase).model_copy(update=dict(changes))
    assert [finding.code for finding in await found(settings, database.migrator)] == codes


@pytest.mark.parametrize(
    ("hours", "code"), [(23, "legacy_secret_accepted"), (25, "legacy_secret_unused")], ids=str
)
async def test_whether_tokens_of_the_legacy_secret_still_come_is_told(
    hours: int, code: str, database: Database, supabase: SupabaseStack
) -> None:
    last = datetime.now(UTC) - timedelta(hours=hours)
    await damage(database, f"update private.legacy_tokens set last_accepted_at = '{last}'")
    secret = SecretStr("a legacy secret of more than 32 characters")
    [finding] = await diagnose(database, supabase, supabase_jwt_secret=secret)
    assert finding.code == code
    assert f"{last:%Y-%m-%d %H:%M} UTC" in finding.message


def run_command(environment: Mapping[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from bootstrap.cli import main; main()", "doctor", *options],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_says_one_line_when_all_is_well(database: Database, supabase: SupabaseStack) -> None:
    environment = environment_for(database, supabase, 0) | {"MIGRATION_DATABASE_URL": database.migrator_url}
    done = run_command(environment)
    note, verdict = done.stdout.splitlines()
    assert note.startswith(
        "note realtime_rate: the plan allows 500 messages a second; the relay uses 70% of it"
    )
    assert (done.returncode, verdict, done.stderr) == (0, "OK: nothing to do.", "")


def test_the_command_fails_with_one_line_a_finding(database: Database, supabase: SupabaseStack) -> None:
    asyncio.run(damage(database, "drop trigger zz_guard_post on public.posts"))
    environment = environment_for(database, supabase, 0) | {"MIGRATION_DATABASE_URL": database.migrator_url}
    done = run_command(environment, "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["healthy"], done.stderr) == (1, False, "")
    assert {"severity", "code", "message", "fix"} == set(told["findings"][0])


def test_the_command_names_every_variable_that_is_wrong(tmp_path: Path) -> None:
    done = run_command({"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SUPABASE_SECRET_KEY": SECRET_KEY})
    assert done.returncode == 1
    assert [line.split(": ")[1] for line in done.stdout.splitlines()] == ["DATABASE_URL", "SUPABASE_URL"]
