"""What the app has in the shared database: functions and views past our row level security, columns."""

import asyncpg

from infrastructure.doctor.catalogue import expected
from infrastructure.doctor.findings import Finding, Findings, error, warning
from infrastructure.postgres.ownership import OUR_TABLES
from infrastructure.postgres.tables import Base

# Everybody may read profiles, and the guards hold for what is written through a function or a view.
_CLOSED = [table for table in OUR_TABLES if not table.endswith(".profiles")]
# $1 tables. The nameless one stands for SQL that is put together when the function runs.
DEFINER_FUNCTIONS = r"""
select p.oid::regprocedure::text as name, t.name as "table"
from pg_proc p
join pg_namespace n on n.oid = p.pronamespace
cross join unnest(array_append($1::text[], '')) as t (name)
where p.prosecdef and p.prokind in ('f', 'p') and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
  and n.nspname not in (
    'auth', 'storage', 'realtime', 'extensions', 'graphql', 'graphql_public', 'vault', 'pgsodium', 'pgbouncer', 'cron',
    'net', 'pgmq', 'supabase_functions', 'supabase_migrations', 'information_schema', 'pg_catalog'
  )
  and (has_function_privilege('anon', p.oid, 'execute') or has_function_privilege('authenticated', p.oid, 'execute'))
  and (has_schema_privilege('anon', n.oid, 'usage') or has_schema_privilege('authenticated', n.oid, 'usage'))
  and case t.name
    when '' then p.prolang = (select oid from pg_language where lanname = 'plpgsql') and p.prosrc ~* '\mexecute\M'
    else pg_get_functiondef(p.oid) ~* ('\m' || split_part(t.name, '.', 2) || '\M')
  end
order by 1, 2
"""
OWNER_VIEWS = """
select distinct v.oid::regclass::text as name, t.name as "table"
from unnest($1::text[]) as t (name)
join pg_depend d on d.refobjid = to_regclass(t.name) and d.refclassid = 'pg_class'::regclass
join pg_rewrite r on r.oid = d.objid and d.classid = 'pg_rewrite'::regclass
join pg_class v on v.oid = r.ev_class and v.relkind in ('v', 'm')
where not coalesce('security_invoker=true' = any (v.reloptions) or 'security_invoker=on' = any (v.reloptions), false)
  and (
    has_any_column_privilege('anon', v.oid, 'select, insert, update')
    or has_any_column_privilege('authenticated', v.oid, 'select, insert, update')
    or has_table_privilege('anon', v.oid, 'delete') or has_table_privilege('authenticated', v.oid, 'delete')
  )
order by 1, 2
"""
_CASCADES = """
select c.conname as name, c.conrelid::regclass::text as "table"
from pg_constraint c
where c.contype = 'f' and c.confdeltype in ('c', 'n', 'd') and c.conrelid = any (
  select to_regclass(name) from unnest($1::text[]) as t (name)
)
order by 1
"""
_HISTORY = ("public.wallets", "public.wallet_transactions", "public.wallet_withdrawals", "private.audit_log")
_REQUIRED = """
select attname from pg_attribute
where attrelid = 'public.profiles'::regclass and attnum > 0 and not attisdropped and attnotnull
  and not atthasdef and attidentity = '' and attgenerated = '' and attname <> all ($1::text[])
order by attnum
"""


async def check_functions(connection: asyncpg.Connection) -> Findings:
    """Find definer functions that clients may call and that name our tables."""
    for name, table in await connection.fetch(DEFINER_FUNCTIONS, _CLOSED):
        if f"function {name}" not in expected().items:
            over = f"names {table}" if table else "executes SQL that it puts together"
            yield _finding(
                table,
                "definer_function",
                f"clients may call {name}, which runs with its owner's rights and {over}",
                f"run `alter function {name} security invoker`, or revoke execute on it from public, anon and "
                "authenticated",
            )


async def check_views(connection: asyncpg.Connection) -> Findings:
    """Find views and materialised views on our tables that show clients what their owner sees."""
    for name, table in await connection.fetch(OWNER_VIEWS, _CLOSED):
        yield _finding(
            table,
            "view_without_security_invoker",
            f"clients may use the view {name}, which shows {table} past row level security",
            f"run `alter view {name} set (security_invoker = true)`, or revoke it from anon and authenticated",
        )


async def check_cascades(connection: asyncpg.Connection) -> Findings:
    """Find foreign keys through which deleting something else deletes or changes history."""
    for name, table in await connection.fetch(_CASCADES, _HISTORY):
        yield error(
            "history_is_deleted",
            f"the foreign key {name} on {table} lets history go when another row is deleted",
            f"run `alter table {table} drop constraint {name}`",
        )


def _finding(table: str, code: str, message: str, fix: str) -> Finding:
    """Money and the vault are nobody else's business; pending posts, and what can't be told, are to be judged."""
    return (warning if table in {"public.posts", ""} else error)(code, message, fix)


async def check_app_columns(connection: asyncpg.Connection) -> Findings:
    """Find columns of the app's own on ``profiles`` without which no new person can have an account."""
    own = [column.name for column in Base.metadata.tables["profiles"].columns]
    for [name] in await connection.fetch(_REQUIRED, own):
        yield error(
            "profile_column_required",
            f"profiles.{name} is NOT NULL and has no default: no account can be made for who is new",
            f'run `alter table public.profiles alter column "{name}" drop not null`, or give it a default',
        )
