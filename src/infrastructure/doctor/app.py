"""What the app has in the shared database: functions and views past our row level security, columns, old money.

And what is left to do on a database that had the app's tables first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import asyncpg

from infrastructure.adoption.money import MIRRORS, money_guards, money_mirrors
from infrastructure.adoption.posts import SHOWING, post_guards
from infrastructure.adoption.profiles import READABLE_COLUMNS
from infrastructure.adoption.shape import PostsSource, is_credential, is_private, read_shape
from infrastructure.doctor.catalogue import compare, expected, read_items
from infrastructure.doctor.findings import SHOWN, Finding, Findings, error, listed, warning
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
_UNFINISHED = "select begun_at from private.adoption where adopted_at is null"
_ADOPTED = "select posts_source, legacy_retired_at from private.adoption where adopted_at is not null"
_FROZEN = """
select count(*) as count, (array_agg(user_id order by user_id))[:$1] as ids from public.wallets where frozen
having count(*) > 0
"""
# $1 the step from which on the old places are written by the mirrors alone
_SINCE = "select finished_at from private.adoption_steps where name = $1"
_MIRRORED = """
select exists (
  select from pg_trigger where tgname = $1 and tgrelid = $2::text::regclass and tgenabled <> 'D'
)
"""
# $1 how many are named, $2 since when
_WRITTEN = """
select count(*) as count, (array_agg(x.id::text order by x.created_at, x.id))[:$1] as ids
from public.transactions x
where x.created_at > $2 and not exists (select from public.wallet_transactions t where t.id::text = x.id::text)
having count(*) > 0
"""
_DIFFERS = """
select count(*) as count, (array_agg(p.id::text order by p.id))[:$1] as ids
from public.profiles p join public.wallets w on w.user_id = p.id::uuid
where not w.frozen and trunc(w.balance, 2) is distinct from trunc(coalesce(p.balance, 0)::numeric, 2)
having count(*) > 0
"""
_STOP: Final = (
    "switch off whatever writes it; what it paid is not in the ledger: book it by hand, or take it back"
)


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


async def check_adoption(connection: asyncpg.Connection) -> Findings:
    """Find an adoption that is not finished."""
    for [begun] in await connection.fetch(_UNFINISHED):
        yield error(
            "half_adopted",
            f"an adoption began {begun:%Y-%m-%d %H:%M} UTC and is not finished; the service is not ready",
            "run `lingualink adopt --confirm-roles FILE` again: it goes on where it stopped",
        )


@dataclass(frozen=True, slots=True)
class Guards:
    """The triggers that an adoption made, as they are and as they should be, by what the catalogue calls them."""

    found: Mapping[str, str]
    wanted: Mapping[str, str]


async def read_guards(connection: asyncpg.Connection) -> Guards:
    """Those of the database; none where nothing was adopted, or not to the end."""
    wanted: dict[str, str] = {}
    shape = await read_shape(connection)
    for posts_source, retired_at in await connection.fetch(_ADOPTED):
        wanted |= money_guards(shape)
        if posts_source == PostsSource.CLIPS:
            wanted |= {**post_guards(shape), **SHOWING}
        if retired_at is None:
            wanted |= money_mirrors(shape)
    found = await read_items(connection, [*shape.tables, "private.posts"]) if wanted else {}
    return Guards({name: sql for name, sql in found.items() if name in wanted}, wanted)


async def check_guards(connection: asyncpg.Connection) -> Findings:
    """Find what an adoption made on the app's tables, and is missing, altered or disabled."""
    guards = await read_guards(connection)
    for finding in compare(guards.found, guards.wanted):
        yield finding


async def check_frozen(connection: asyncpg.Connection) -> Findings:
    """Find wallets that are frozen."""
    for count, ids in await connection.fetch(_FROZEN, SHOWN):
        yield warning(
            "wallets_frozen",
            f"{count} wallets are frozen: {listed(ids, count)}",
            "clear up what their owners are owed, then `lingualink unfreeze` (docs/wallet.md)",
        )


async def check_old_money(connection: asyncpg.Connection) -> Findings:
    """Find what somebody else wrote to the old places of money since the ledger writes them, as the tables' owner."""
    since = await connection.fetchval(_SINCE, MIRRORS)
    if since is None:
        return
    if await connection.fetchval(_MIRRORED, "zz_mirror_transaction", "public.wallet_transactions"):
        for count, ids in await connection.fetch(_WRITTEN, SHOWN, since):
            what = f"{count} rows of public.transactions are of somebody else, written since the adoption"
            yield error("old_money_writer", f"{what}: {listed(ids, count)}", _STOP)
    if await connection.fetchval(_MIRRORED, "zz_mirror_balance", "public.wallets"):
        for count, ids in await connection.fetch(_DIFFERS, SHOWN):
            what = f"{count} balances in public.profiles are not what the wallets hold"
            yield error("old_balance_differs", f"{what}: {listed(ids, count)}", _STOP)


async def check_private_columns(connection: asyncpg.Connection) -> Findings:
    """Find columns of profiles that clients read of everybody, and that say what nobody else should know."""
    fix = "hide it when no build in use needs it: `lingualink adopt --retire-legacy` (docs/adoption.md)"
    for name, _, roles in await connection.fetch(READABLE_COLUMNS):
        what = f"{' and '.join(roles)} may read profiles.{name} of everybody"
        if is_credential(name):
            yield error("credential_readable", what, fix)
        elif is_private(name):
            yield warning("private_readable", what, fix)
