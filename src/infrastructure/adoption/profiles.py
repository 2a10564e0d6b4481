"""Brings the app's profiles to what the migrations would have made; nothing of the app's own is changed.

Who is more than a user afterwards: those whom the operator names, and nobody else. When no old build is in use any
more, what those needed of profiles and nobody else should have goes.
"""

from collections.abc import Mapping
from typing import Final
from uuid import UUID

import asyncpg

from domain.audit import AuditAction
from domain.identity import Role
from infrastructure.adoption.shape import NO_ROLE, PROFILES, ROLES, is_credential, is_private
from infrastructure.adoption.steps import Adoption, Step, build_index, in_batches
from infrastructure.postgres.accounts import ACCOUNTS_OF
from infrastructure.postgres.errors import NotDone

Named = Mapping[UUID | str, Role]
"""People by id or e-mail address."""

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
with filled as (
  update public.profiles
  set role = coalesce(role, 'user'), created_at = coalesce(created_at, now()), updated_at = coalesce(updated_at, now())
  where id in (
    select id from public.profiles
    where id::uuid >= $1 and (role is null or created_at is null or updated_at is null) order by id::uuid limit 1000
  )
  returning id::uuid as id
)
select id from filled order by id desc limit 1
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
_PERSON = f"""
select p.id::uuid as profile
from ({ACCOUNTS_OF}) u left join public.profiles p on lower(p.id::text) = u.id::text
"""  # noqa: S608 - our own text
_WORDS: Final = ", ".join(f"'{word}'" for word in NO_ROLE)
# {marks} are the app's columns that clients could write too.
_KEEP = """
insert into private.adopted_roles (user_id, role, marks)
select p.id::uuid, p.role, m.marks
from public.profiles p cross join lateral (
  select coalesce(jsonb_object_agg(name, value), '{{}}') as marks
  from (values {marks}) as v (name, value) where value is not null and value not in ({words})
) m
where coalesce(p.role::text, '') not in ({words}) or m.marks <> '{{}}'
on conflict (user_id) do nothing
"""
_NO_MARKS = "('', null::text)"
_CHANGE = """
with confirmed as materialized (
  select * from unnest($1::uuid[], $2::text[]) as c (user_id, role)
), changed as (
  update public.profiles p set role = w.role
  from (
    select o.id, o.role::text as before, coalesce(c.role, 'user') as role
    from public.profiles o left join confirmed c on c.user_id = o.id::uuid
  ) w
  where p.id = w.id and coalesce(w.before, 'user') <> w.role
  returning p.id::uuid as user_id, w.before, w.role
)
insert into private.audit_log (id, operator, action, target_id, before, after, reason, request_id, occurred_at)
select gen_random_uuid(), session_user, $3, user_id,
       jsonb_build_object('role', before), jsonb_build_object('role', role), 'adoption', 'lingualink adopt',
       clock_timestamp()
from changed
"""
_HAS_CHECK = """
select exists (
  select from pg_constraint where conrelid = 'public.profiles'::regclass and conname = 'profiles_role_known'
)
"""
# As the migrations would have made it.
_CHECK = """
alter table public.profiles alter column role set default 'user',
  add constraint profiles_role_known check (role in ('user', 'moderator', 'admin')) not valid
"""
_VALIDATE = "alter table public.profiles validate constraint profiles_role_known"


class NotConfirmed(NotDone):
    """The list of people can't be taken as it is; *cause* is one line that says why."""

    def __init__(self, cause: str) -> None:
        super().__init__(
            cause, "Nothing was changed. A line of the list is <user id or e-mail address> <role>."
        )


async def find_people(connection: asyncpg.Connection, named: Named) -> Mapping[UUID, Role]:
    """The profiles of those who are named.

    Raises:
        NotConfirmed: somebody has no account, no profile, or two names.
    """
    found: dict[UUID, Role] = {}
    for who, role in named.items():
        by_id, by_email = (who, None) if isinstance(who, UUID) else (None, who)
        rows = await connection.fetch(_PERSON, by_id, by_email)
        if not rows:
            raise NotConfirmed(f"There is no account {who}.")
        if len(rows) > 1:
            raise NotConfirmed(f"Several accounts or profiles are called {who}; name one by its id.")
        if rows[0]["profile"] is None:
            raise NotConfirmed(f"The account {who} has no profile.")
        user_id = rows[0]["profile"]
        if user_id in found:
            raise NotConfirmed(f"{who} is named by id and by address.")
        found[user_id] = role
    return found


async def _add_columns(connection: asyncpg.Connection, adoption: Adoption) -> None:
    await connection.execute(_COLUMNS)
    for column in _TIMES:
        there = adoption.shape.columns[PROFILES].get(column)
        if there is not None and not there.has_default:
            await connection.execute(f"alter table public.profiles alter column {column} set default now()")


async def _build_indexes(connection: asyncpg.Connection, _: Adoption) -> None:
    for name, columns in _INDEXES.items():
        await build_index(connection, name, f"{PROFILES} {columns}")


async def _confirm(connection: asyncpg.Connection, adoption: Adoption) -> None:
    marked = [name for name in ROLES if name != "role" and adoption.shape.has(PROFILES, name)]
    marks = ", ".join(f"('{name}', p.{name}::text)" for name in marked) or _NO_MARKS
    await connection.execute(_KEEP.format(marks=marks, words=_WORDS))
    people, roles = list(adoption.roles), list(adoption.roles.values())
    await connection.execute(_CHANGE, people, roles, AuditAction.ROLE_CHANGED)
    # Last, since it needs the table alone, until the commit.
    if not await connection.fetchval(_HAS_CHECK):
        await connection.execute(_CHECK)


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

AFTER_MIGRATIONS = (
    Step(
        "roles.confirmed",
        "keeps who held which role, makes everybody a user but those who were confirmed, and audits each change; "
        "alone with public.profiles for an instant at its end",
        _confirm,
    ),
    Step(
        "roles.validated",
        "reads public.profiles to validate the check of roles, while others work",
        lambda connection, _: connection.execute(_VALIDATE),
    ),
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
"""What needs the guard; the roles first."""

PROFILE_RETIREMENT = Step(
    "legacy.private_columns",
    f"takes private columns of {PROFILES} from clients: they read the others by name, `select *` is refused",
    _hide_private_columns,
)
"""What ends when no build in use reads them any more."""
