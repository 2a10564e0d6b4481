"""Our tables, policies, triggers, functions, constraints, indexes and grants: as they are, and as they should be.

``catalogue.json`` holds what the migrations leave on an empty project; ``make catalogue`` writes it anew.
The app's own tables and columns are its own.
"""

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import SAWarning

from infrastructure.doctor.findings import Finding, Findings, error, warning
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import create_engine
from infrastructure.postgres.ownership import OUR_TABLES, compare_options
from infrastructure.postgres.tables import Base

EXPECTED_FILE = Path(__file__).with_name("catalogue.json")
SERVICE = "lingualink_api"
LONGEST_FIX = 400

RELATIONS = (*OUR_TABLES, "private.alembic_version", "private.posts")

# Each row: what it is, and the SQL that makes it.
_READ = """
with ours as (
  select c.oid, c.relacl, c.relrowsecurity, n.nspname || '.' || c.relname as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname || '.' || c.relname = any ($1::text[])
), grantees (name) as (
  values ('anon'), ('authenticated'), ('lingualink_api'), ('public')
), acls (kind, object, acl) as (
  select 'table', o.name, o.relacl from ours o
  union all
  select 'schema', n.nspname, n.nspacl from pg_namespace n where n.nspname = 'private'
  union all
  select 'function', p.oid::regprocedure::text, coalesce(p.proacl, acldefault('f', p.proowner))
  from pg_proc p where p.pronamespace = to_regnamespace('private')
), granted (kind, object, columns, privilege, grantee) as (
  select a.kind, a.object, '', e.privilege_type, coalesce(nullif(e.grantee, 0)::regrole::text, 'public')
  from acls a, aclexplode(a.acl) e
  union all
  select 'table', o.name, format(' (%I)', a.attname), e.privilege_type,
         coalesce(nullif(e.grantee, 0)::regrole::text, 'public')
  from ours o join pg_attribute a on a.attrelid = o.oid, aclexplode(a.attacl) e
)
select 'row level security of ' || name, format('alter table %s enable row level security', name)
from ours where relrowsecurity
union all
select format('policy %I on %s.%s', policyname, schemaname, tablename),
       format('create policy %I on %I.%I as %s for %s to %s', policyname, schemaname, tablename, permissive, cmd,
              array_to_string(roles, ', '))
       || case when qual is null then '' else format(' using (%s)', qual) end
       || case when with_check is null then '' else format(' with check (%s)', with_check) end
from pg_policies
where schemaname || '.' || tablename = any ($1)
   or (schemaname = 'realtime' and tablename = 'messages' and policyname like 'lingualink%')
union all
select format('trigger %I on %s', t.tgname, o.name),
       pg_get_triggerdef(t.oid) || case t.tgenabled
         when 'O' then ''
         when 'A' then format('; alter table %s enable always trigger %I', o.name, t.tgname)
         else format('; -- and it is disabled (%s)', t.tgenabled)
       end
from pg_trigger t join ours o on o.oid = t.tgrelid where not t.tgisinternal
union all
select 'function ' || p.oid::regprocedure, pg_get_functiondef(p.oid)
from pg_proc p where p.pronamespace = to_regnamespace('private') and p.prokind = 'f'
union all
select format('constraint %I on %s', c.conname, o.name),
       format('alter table %s add constraint %I %s', o.name, c.conname, pg_get_constraintdef(c.oid))
from pg_constraint c join ours o on o.oid = c.conrelid where c.contype in ('c', 'f', 'p', 'u', 'x')
union all
select format('index %I on %s', i.relname, o.name),
       pg_get_indexdef(i.oid) || case when x.indisvalid then '' else '; -- and it is invalid' end
from pg_index x join ours o on o.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
where not exists (select from pg_constraint c where c.conindid = x.indexrelid)
union all
select format('right of %s to %s%s on %s %s', grantee, privilege, columns, kind, object),
       format('grant %s%s on %s %s to %s', lower(privilege), columns, kind, object, grantee)
from granted where grantee in (select name from grantees)
union all
select format('%s of lingualink_api', split_part(setting, '=', 1)),
       format('alter role lingualink_api set %s = %L', split_part(setting, '=', 1), split_part(setting, '=', 2))
from pg_db_role_setting s join pg_roles r on r.oid = s.setrole, unnest(s.setconfig) setting
where r.rolname = 'lingualink_api' and s.setdatabase = 0
order by 1
"""


_PROFILES = "public.profiles"
_ADOPTED_TABLES = text("select tables from private.adoption")
_ADOPTED_PROFILES = """
select format_type(atttypid, null) as type from pg_attribute
where attrelid = 'public.profiles'::regclass and attname = 'id'
  and exists (select from private.adoption where 'public.profiles' = any (tables))
"""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What is there at a schema level: the SQL that makes each thing, by what the thing is."""

    level: int
    items: Mapping[str, str]


class Items(NamedTuple):
    """What there is, and what there should be: the SQL that makes each thing, by what the thing is."""

    found: Mapping[str, str]
    wanted: Mapping[str, str]


def expected() -> Catalogue:
    """What the migrations that came with this code leave."""
    return Catalogue(**json.loads(EXPECTED_FILE.read_text()))


async def read_items(connection: asyncpg.Connection, relations: Iterable[str] = RELATIONS) -> dict[str, str]:
    """What the database has, on *relations* and of functions."""
    return {row[0]: row[1] for row in await connection.fetch(_READ, list(relations))}


async def read_wanted(connection: asyncpg.Connection) -> Mapping[str, str]:
    """What the database should have: what the migrations leave, but for what an adoption left to the app."""
    adopted = await connection.fetchrow(_ADOPTED_PROFILES)
    if adopted is None:
        return expected().items
    items = {name: sql for name, sql in expected().items.items() if not _is_of_app(name, sql)}
    if adopted["type"] == "uuid":
        return items
    return {name: _with_text_ids(sql) if _PROFILES in name else sql for name, sql in items.items()}


def _is_of_app(name: str, sql: str) -> bool:
    """Whether it is the app's to decide on: its primary key, and what it lets clients do with its profiles."""
    if not name.endswith(_PROFILES):
        return False
    kind = name.partition(" ")[0]
    return name.startswith(("right of anon", "right of authenticated", "constraint profiles_pkey")) or (
        kind == "policy" and "as PERMISSIVE" in sql and not sql.count(f" to {SERVICE}")
    )


def _with_text_ids(sql: str) -> str:
    """*sql* as PostgreSQL prints it where ``profiles.id`` is text."""
    return sql.replace("(id = ", "((id)::uuid = ").replace("(created_at, id)", "(created_at, ((id)::uuid))")


def compare(found: Mapping[str, str], wanted: Mapping[str, str]) -> list[Finding]:
    """What is missing or altered, and rights that nobody should have. What the app added is its own."""
    missing = [
        error("missing", f"the {name} is missing", _restore(sql))
        for name, sql in wanted.items()
        if name not in found
    ]
    altered = [
        error("altered", f"the {name} was altered or disabled", _restore(*filter(None, (drop_of(name), sql))))
        for name, sql in wanted.items()
        # how long a statement may take is the operator's to choose
        if name in found and found[name] != sql and not name.endswith(f" of {SERVICE}")
    ]
    surplus = [surplus_right(name, sql) for name, sql in found.items() if name not in wanted]
    return [*missing, *altered, *filter(None, surplus)]


async def check_catalogue(connection: asyncpg.Connection) -> Findings:
    """Find what is missing, altered or disabled."""
    for finding in compare(await read_items(connection), await read_wanted(connection)):
        yield finding


def drop_of(name: str) -> str:
    """What makes room for a thing of this *name*; nothing where it is replaced."""
    kind, _, thing = name.partition(" ")
    if kind in {"policy", "trigger"}:
        return f"drop {kind} if exists {thing}"
    if kind == "constraint":
        constraint, _, table = thing.rpartition(" on ")
        return f"alter table {table} drop constraint if exists {constraint}"
    if kind == "index":
        index, _, table = thing.rpartition(" on ")
        return f"drop index if exists {table.split('.')[0]}.{index}"
    return ""


def _restore(*statements: str) -> str:
    sql = "; ".join(statements)
    if len(sql) > LONGEST_FIX or "\n" in sql.strip():
        return "run its statement of `lingualink migrate --sql` again"
    return f"run `{sql}`"


def revoke_of(grant: str) -> str:
    """What takes back what *grant* gave."""
    return grant.replace("grant ", "revoke ", 1).replace(" to ", " from ", 1)


def surplus_right(name: str, sql: str) -> Finding | None:
    """A right that the migrations did not give. On shared tables the guards hold, whatever clients are granted."""
    if not name.startswith("right of "):
        return None
    fix = f"run `{revoke_of(sql)}`"
    if name.startswith(f"right of {SERVICE} "):
        return warning(
            "role_has_more_rights", f"the service has a right that it does not need: the {name}", fix
        )
    hidden = [f"table {table}" for table in RELATIONS if table.startswith("private.")]
    hidden += [item for item in expected().items if item.startswith("function ")]
    if any(name.endswith(f" on {item}") for item in hidden):
        return error("private_opened", f"clients should not have the {name}", fix)
    return None


async def check_drift(database: DatabaseAddress) -> Findings:
    """Find tables, columns, types, defaults and indexes that are not as the models say."""
    engine = create_engine(database)
    try:
        async with engine.connect() as connection:
            adopted = await connection.scalar(_ADOPTED_TABLES)
            differences = await connection.run_sync(_differences, frozenset(adopted or ()))
    finally:
        await engine.dispose()
    for difference in differences:
        yield error(
            "drift",
            f"the database differs from the models: to match, {_say(difference)}",
            "find out who changed it, and change it back",
        )


def _differences(connection: Connection, adopted: frozenset[str]) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # types of the app's columns that SQLAlchemy does not know
        context = MigrationContext.configure(connection, opts=compare_options(adopted))
        found: list[Any] = compare_metadata(context, Base.metadata)
    # Changes of one column come as a list of their own.
    return [*chain.from_iterable(one if isinstance(one, list) else [one] for one in found)]


def _say(difference: Sequence[Any]) -> str:
    operation, *where = difference
    names = [getattr(part, "name", part) for part in where[:3] if part is not None]
    table = getattr(getattr(where[-1], "table", None), "name", None)
    on = f" (of {table})" if table is not None and table not in names else ""
    return f"{operation} {'.'.join(str(name) for name in names)}{on}"
