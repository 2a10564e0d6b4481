"""Who is more than a user after an adoption: those whom the operator names, and nobody else."""

from collections.abc import Iterable, Mapping
from typing import Final
from uuid import UUID

import asyncpg

from domain.audit import AuditAction
from domain.identity import Role
from infrastructure.adoption.shape import NO_ROLE, ROLES
from infrastructure.adoption.steps import Adoption, Step
from infrastructure.postgres.errors import NotDone

Named = Mapping[UUID | str, Role]
"""People by id or e-mail address."""

_PERSON = """
select u.id as account, p.id::uuid as profile
from (select id from auth.users
      where deleted_at is null and case when $1::uuid is null then email = lower($2) else id = $1 end limit 2) u
left join public.profiles p on lower(p.id::text) = u.id::text
"""
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


def read_names(lines: Iterable[str]) -> Named:
    """Lines of ``<user id or e-mail address> <role>``; empty ones and what follows a ``#`` say nothing.

    Raises:
        NotConfirmed: a line says something else, or names somebody a second time.
    """
    named: dict[UUID | str, Role] = {}
    for number, line in enumerate(lines, 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 2 or words[1] not in set(Role):
            raise NotConfirmed(f"Line {number} is not <user id or e-mail address> <{'|'.join(Role)}>.")
        who = _id_or_address(words[0])
        if who in named:
            raise NotConfirmed(f"Line {number} names {words[0]} a second time.")
        named[who] = Role(words[1])
    return named


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
        user_id = UUID(int=rows[0]["profile"].int)
        if user_id in found:
            raise NotConfirmed(f"{who} is named by id and by address.")
        found[user_id] = role
    return found


def _id_or_address(who: str) -> UUID | str:
    try:
        return UUID(who)
    except ValueError:
        return who.lower()


async def _confirm(connection: asyncpg.Connection, adoption: Adoption) -> None:
    marked = [name for name in ROLES if name != "role" and adoption.shape.has("public.profiles", name)]
    marks = ", ".join(f"('{name}', p.{name}::text)" for name in marked) or _NO_MARKS
    await connection.execute(_KEEP.format(marks=marks, words=_WORDS))
    people = list(adoption.roles)
    await connection.execute(
        _CHANGE, people, [adoption.roles[user_id].value for user_id in people], AuditAction.ROLE_CHANGED.value
    )
    # Last, since it needs the table alone, until the commit.
    if not await connection.fetchval(_HAS_CHECK):
        await connection.execute(_CHECK)


ROLE_STEPS = (
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
)
