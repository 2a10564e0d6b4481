"""Brings the app's profiles to what the migrations would have made; nothing of the app's own is changed.

When no old build is in use any more, what those needed of them and nobody else should have goes.
"""

import asyncpg

from infrastructure.adoption.shape import PROFILES, is_credential, is_private
from infrastructure.adoption.steps import Adoption, Step, build_index, in_batches

# Constant defaults: no row is written anew. Until the guard is there clients could write the role; whatever it says
# then is taken back when roles are confirmed.
_COLUMNS = """
alter table public.profiles
  add column if not exists username text,
  add column if not exists full_name text,
  add column if not exists avatar_url text,
  add column if not exists role text not null default 'user',
  add column if not exists created_at timestamptz not null default now(),
  add column if not exists updated_at timestamptz not null default now()
"""
_TIMES = ("created_at", "updated_at")
_FILL = """
update public.profiles
set role = coalesce(role, 'user'), created_at = coalesce(created_at, now()), updated_at = coalesce(updated_at, now())
where id in (
  select id from public.profiles where role is null or created_at is null or updated_at is null limit 1000
)
"""
_NULLABLE = """
select exists (
  select from pg_attribute where attrelid = 'public.profiles'::regclass and attname = $1 and not attnotnull
)
"""
_INDEXES = {
    "lingualink_profiles_newest": "(created_at, (id::uuid))",
    "lingualink_profiles_username": "(lower(username) text_pattern_ops)",
    "lingualink_profiles_full_name": "(lower(full_name) text_pattern_ops)",
    "lingualink_profiles_staff": "(role) where role <> 'user'",
}
READABLE_COLUMNS = """
select a.attname::text as name, quote_ident(a.attname) as quoted, array_agg(r.name order by r.name) as roles
from pg_attribute a cross join unnest(array['anon', 'authenticated']) as r (name)
where a.attrelid = 'public.profiles'::regclass and a.attnum > 0 and not a.attisdropped
  and has_column_privilege(r.name, a.attrelid, a.attnum, 'select')
group by a.attnum, a.attname order by a.attnum
"""
"""Columns, the app's too, by whoever of the clients may read them."""
ID_INDEX = "lingualink_profiles_id"
"""Where ids are text: it finds them, and proves that each is a UUID, and each another."""


async def _add_columns(connection: asyncpg.Connection, adoption: Adoption) -> None:
    await connection.execute(_COLUMNS)
    for column in _TIMES:
        there = adoption.shape.columns[PROFILES].get(column)
        if there is not None and not there.has_default:
            await connection.execute(f"alter table public.profiles alter column {column} set default now()")


async def _build_indexes(connection: asyncpg.Connection, _: Adoption) -> None:
    for name, columns in _INDEXES.items():
        await build_index(connection, name, f"{PROFILES} {columns}")


async def _require(connection: asyncpg.Connection, _: Adoption) -> None:
    """NOT NULL by way of a check, so that the table is read while others work on it."""
    for column in ("role", *_TIMES):
        if not await connection.fetchval(_NULLABLE, column):
            continue
        check = f"lingualink_{column}_there"
        await connection.execute(
            f"alter table public.profiles drop constraint if exists {check}, "
            f"add constraint {check} check ({column} is not null) not valid"
        )
        await connection.execute(f"alter table public.profiles validate constraint {check}")
        await connection.execute(
            f"alter table public.profiles alter column {column} set not null, drop constraint {check}"
        )


async def _hide_private_columns(connection: asyncpg.Connection, _: Adoption) -> None:
    """A right on the whole table becomes one on each column that is nobody's secret."""
    kept: dict[str, list[str]] = {}
    for name, quoted, roles in await connection.fetch(READABLE_COLUMNS):
        if not (is_private(name) or is_credential(name)):
            for role in roles:
                kept.setdefault(role, []).append(quoted)
    await connection.execute("revoke select on public.profiles from public, anon, authenticated")
    for role, columns in kept.items():
        await connection.execute(f"grant select ({', '.join(columns)}) on public.profiles to {role}")


BEFORE_MIGRATIONS = (
    Step(
        "profiles.columns",
        f"adds the columns that are missing to {PROFILES}: alone with it for an instant, no row is written",
        _add_columns,
    ),
    Step(
        "profiles.id",
        f"builds a unique index on the ids as UUIDs of {PROFILES}, CONCURRENTLY",
        lambda connection, _: build_index(connection, ID_INDEX, f"{PROFILES} ((id::uuid))", unique=True),
        in_transaction=False,
        applies=lambda shape: shape.type_of(PROFILES) != "uuid",
    ),
    Step(
        "profiles.indexes",
        f"builds {len(_INDEXES)} indexes on {PROFILES}, CONCURRENTLY",
        _build_indexes,
        in_transaction=False,
    ),
)
"""What the migrations want to find."""

AFTER_ROLES = (
    Step(
        "profiles.filled",
        f"gives role and times of {PROFILES} a value where they have none, 1,000 rows at a time",
        lambda connection, _: in_batches(connection, _FILL),
        in_transaction=False,
    ),
    Step(
        "profiles.required",
        f"makes them required: reads {PROFILES} while others work, then is alone with it for an instant",
        _require,
        in_transaction=False,
    ),
)
"""What needs the guard, and roles that are known."""

PROFILE_RETIREMENT = Step(
    "legacy.private_columns",
    f"takes private columns of {PROFILES} from clients: they read the others by name, `select *` is refused",
    _hide_private_columns,
)
"""What ends when no build in use reads them any more."""
