"""What the service's role may do: all of it stands here."""

import asyncpg
import pytest

from support.database import Database

pytestmark = pytest.mark.anyio

# Object, or object and column → privileges. What is not here is not allowed.
PRIVILEGES = {
    "private": "USAGE",
    "private.account_status(uuid,uuid)": "EXECUTE",
    "private.spent_today(uuid)": "EXECUTE",
    "private.transaction_hash(bytea,wallet_transactions)": "EXECUTE",
    "public.profiles": "SELECT",
    "public.profiles.id": "INSERT",
    "public.profiles.username": "INSERT",
    "public.profiles.full_name": "INSERT",
    "public.profiles.avatar_url": "INSERT",
    "public.profiles.role": "UPDATE",
    "private.lock_post(uuid)": "EXECUTE",
    "private.posts": "SELECT",
    "private.posts.validation_status": "UPDATE",
    "private.posts.validated_by": "UPDATE",
    "private.posts.validated_at": "UPDATE",
    "private.posts.validation_reason": "UPDATE",
    "public.wallets": "SELECT",
    "public.wallets.user_id": "INSERT",
    "public.wallets.balance": "UPDATE",
    "public.wallets.version": "UPDATE",
    "public.wallets.updated_at": "UPDATE",
    "public.wallets.hash": "UPDATE",
    "private.openings": "SELECT",
    "private.adopted_earnings": "SELECT",
    "public.wallet_transactions": "INSERT, SELECT",
    "public.wallet_withdrawals": "INSERT, SELECT",
    "public.wallet_withdrawals.status": "UPDATE",
    "public.wallet_withdrawals.settled_by": "UPDATE",
    "public.wallet_withdrawals.settled_at": "UPDATE",
    "public.wallet_withdrawals.reason": "UPDATE",
    "private.ledger_entries": "INSERT, SELECT",
    "private.ledger_days": "INSERT, SELECT",
    "private.ledger_seals": "SELECT",
    "private.ledger_seals.sealed_until": "INSERT",
    "private.ledger_seals.heads": "INSERT",
    "private.ledger_seals.digest": "INSERT",
    "private.ledger_epoch": "SELECT",
    "private.approvals": "INSERT, SELECT",
    "private.approvals.status": "UPDATE",
    "private.approvals.decided_by": "UPDATE",
    "private.approvals.decided_at": "UPDATE",
    "private.audit_log": "INSERT, SELECT",
    "private.bans": "DELETE, INSERT, SELECT",
    "private.bans.reason": "UPDATE",
    "private.bans.banned_by": "UPDATE",
    "private.bans.banned_at": "UPDATE",
    "private.reward_rates": "INSERT, SELECT",
    "private.reward_rates.amount": "UPDATE",
    "private.reward_rates.updated_at": "UPDATE",
    "private.schema_level": "SELECT",
    "private.adoption": "SELECT",
    "private.idempotency_keys": "DELETE, SELECT",
    "private.idempotency_keys.user_id": "INSERT",
    "private.idempotency_keys.key": "INSERT",
    "private.idempotency_keys.fingerprint": "INSERT",
    "private.idempotency_keys.status": "UPDATE",
    "private.idempotency_keys.body": "UPDATE",
    "private.realtime_outbox": "DELETE, SELECT",
    "private.realtime_outbox.event_id": "INSERT",
    "private.realtime_outbox.topic": "INSERT",
    "private.realtime_outbox.event": "INSERT",
    "private.realtime_outbox.payload": "INSERT",
    "private.realtime_outbox.attempts": "UPDATE",
    "private.realtime_outbox.last_error": "UPDATE",
    "private.realtime_outbox.delivered_at": "UPDATE",
    "private.realtime_outbox.dead_lettered_at": "UPDATE",
    "private.relay_lease": "SELECT",
    "private.relay_lease.holder": "UPDATE",
    "private.relay_lease.expires_at": "UPDATE",
    "private.legacy_tokens": "SELECT",
    "private.legacy_tokens.last_accepted_at": "UPDATE",
}

GRANTED = """
select object, string_agg(privilege, ', ' order by privilege) as privileges
from (
  select n.nspname || '.' || c.relname as object, e.privilege_type as privilege, e.grantee
  from pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) e
  union all
  select n.nspname || '.' || c.relname || '.' || a.attname, e.privilege_type, e.grantee
  from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace,
       aclexplode(a.attacl) e
  union all
  select p.oid::regprocedure::text, e.privilege_type, e.grantee from pg_proc p, aclexplode(p.proacl) e
  union all
  select n.nspname, e.privilege_type, e.grantee from pg_namespace n, aclexplode(n.nspacl) e
  union all
  select d.datname, e.privilege_type, e.grantee from pg_database d, aclexplode(d.datacl) e
) granted
where grantee = 'lingualink_api'::regrole and object <> 'public'
group by object
"""
ATTRIBUTES = """
select rolcanlogin, rolinherit, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls,
       (select count(*) from pg_auth_members where member = r.oid) as memberships
from pg_roles r where rolname = 'lingualink_api'
"""
# As lingualink_api, on the people of people.sql.
REFUSED = (
    "update public.wallet_transactions set amount = 1",
    "update public.wallet_transactions set note = null",
    "delete from public.wallet_transactions",
    "truncate public.wallet_transactions",
    "update private.audit_log set reason = 'x'",
    "delete from private.audit_log",
    "truncate private.audit_log",
    "delete from public.wallets",
    "update public.wallet_withdrawals set amount = 1",
    "delete from public.wallet_withdrawals",
    "insert into public.wallets (user_id, balance) values (gen_random_uuid(), 1000)",
    "select from public.posts",
    "update public.posts set validation_status = 'approved'",
    "update private.posts set title = 'x'",
    "insert into public.posts (author_id, kind, title, language) values (gen_random_uuid(), 'text', 't', 'rw')",
    "delete from private.posts",
    "delete from public.profiles",
    "update private.schema_level set level = 1",
    "insert into private.relay_lease (only_row) values (false)",
    "create table public.x (id int)",
    "create table private.x (id int)",
    "create function public.x() returns int language sql as 'select 1'",
    "alter table public.wallets disable trigger all",
    "create role x",
    "set local role authenticated",
    "select from auth.users",
    "select from auth.sessions",
    "select from realtime.messages",
    "select from private.alembic_version",
)
FOR_ANYBODY = (
    "delete from public.wallet_withdrawals",
    "update public.wallet_withdrawals set amount = amount + 1",
    "delete from public.wallet_transactions",
    "update public.wallet_transactions set amount = amount + 1",
    "truncate public.wallet_transactions",
    "delete from private.audit_log",
    "update private.audit_log set reason = 'x'",
    "truncate private.audit_log",
)


async def test_the_service_has_exactly_these_rights(database: Database) -> None:
    granted = await database.fetch(GRANTED)
    assert {row["object"]: row["privileges"] for row in granted} == PRIVILEGES


async def test_the_service_is_an_ordinary_role(database: Database) -> None:
    [row] = await database.fetch(ATTRIBUTES)
    assert tuple(row) == (True, False, False, False, False, False, False, 0)


@pytest.mark.parametrize("statement", REFUSED)
async def test_the_service_can_not(statement: str, peopled: Database) -> None:
    connection = await asyncpg.connect(peopled.service_url, statement_cache_size=0)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("statement", FOR_ANYBODY)
async def test_not_even_the_owner_rewrites_history(statement: str, peopled: Database) -> None:
    connection = await asyncpg.connect(peopled.migrator_url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


async def test_what_is_owed_can_not_be_deleted_before_it_is_delivered(peopled: Database) -> None:
    connection = await asyncpg.connect(peopled.service_url, statement_cache_size=0)
    try:
        assert await connection.execute("delete from private.realtime_outbox") == "DELETE 0"
    finally:
        await connection.close()


async def test_a_statement_of_the_service_that_hangs_ends(database: Database) -> None:
    connection = await asyncpg.connect(database.service_url, statement_cache_size=0)
    try:
        settings = await connection.fetchrow(
            "select current_setting('lock_timeout'), current_setting('statement_timeout'), "
            "current_setting('idle_in_transaction_session_timeout')"
        )
    finally:
        await connection.close()
    assert settings is not None
    assert tuple(settings) == ("2s", "5s", "10s")


async def test_every_function_of_ours_has_a_pinned_search_path_and_is_closed(database: Database) -> None:
    rows = await database.fetch(
        """
        select p.oid::regprocedure::text as name from pg_proc p
        where p.pronamespace = 'private'::regnamespace
          and (not coalesce('search_path=""' = any (p.proconfig), false)
               or has_function_privilege('public', p.oid, 'execute'))
        """
    )
    assert rows == []


async def test_every_table_of_ours_is_under_row_level_security(database: Database) -> None:
    rows = await database.fetch(
        """
        select c.relname from pg_class c
        where c.relnamespace in ('private'::regnamespace, 'public'::regnamespace)
          and c.relkind in ('r', 'p') and not c.relrowsecurity
        """
    )
    assert rows == []
