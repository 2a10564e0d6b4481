"""Rows that the service's rules would not let in, each kind counted and the first ones named. None is changed."""

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import asyncpg

from domain.identity import Role
from domain.money import LIMIT, PLACES
from infrastructure.adoption.observations import Look, Observation, Part, printable
from infrastructure.adoption.shape import (
    BALANCES,
    IDS,
    MOVEMENTS,
    NO_ROLE,
    PEOPLE,
    ROLES,
    STATUSES,
    Shape,
    models,
)
from infrastructure.doctor.findings import SHOWN

_MOST_WORDS = 50
# {odd} gives for each row what is odd about it, or NULL, and how the row is named.
_COUNTED = """
with odd (oddity, item) as ({odd}), placed as (
  select oddity, item, count(*) over (partition by oddity) as times,
         row_number() over (partition by oddity order by item collate "C") as place
  from odd where oddity is not null
)
select oddity, max(times) as times, array_agg(item order by place) as items
from placed where place <= {shown} group by oddity order by times desc, oddity limit {words}
"""
_MONEY = """
select case when sum is null then 'money_null' when sum = 'NaN' then 'money_nan'
            when not {signed} and sum < 0 then 'money_negative' when abs(sum) > {limit} then 'money_beyond_limit'
            when sum <> round(sum, {places}) then 'money_too_fine' end,
       name || coalesce(' (' || sum || ')', '')
from (select {key}::text as name, {column}::numeric as sum from {table}) as t
"""
_NULLS = "select 'value_null', {key}::text from {table} where {column} is null"
# What PostgreSQL reads as a UUID: https://www.postgresql.org/docs/17/datatype-uuid.html
_HEX = "([0-9a-f]{4}-?){7}[0-9a-f]{4}"
_NO_UUIDS = (
    "select 'id_no_uuid', {column}::text from {table} where {column}::text !~* '^({hex}|\\{{{hex}\\}})$'"
)
_SAME_UUIDS = """
select 'id_twice', min({column}::text) from {table} where {column} is not null
group by lower(translate({column}::text, '{{}}-', '')) having count(*) > 1
"""
_WORDS = """
select coalesce({column}::text, 'NULL'), {key}::text from {table}
where {column}::text is null and {null_counts} or {column}::text <> all (array[{known}])
"""
_ORPHANS = """
select 'orphan', t.{key}::text || ' (' || t.{column}::text || ')' from {table} t
where t.{column} is not null and not exists (
  select from {target} o
  where lower(translate(o.id::text, '{{}}-', '')) = lower(translate(t.{column}::text, '{{}}-', ''))
)
"""
_CLIP_ORPHANS = """
select 'orphan', v.id::text || ' (' || v.voice_clip_id::text || ')' from public.validations v
where v.voice_clip_id is not null and v.voice_clip_id::text not in (
  select id::text from public.voice_clips where id is not null union select id::text from public.video_clips
  where id is not null
)
"""
_DRIFT = """
select 'balance_drift', p.id::text || ' (balance ' || coalesce(p.balance::text, 'NULL') || ', history '
       || coalesce(h.sum, 0) || ')'
from public.profiles p left join (
  select user_id::text as person, sum(amount::numeric) as sum from public.transactions group by 1
) h on h.person = p.id::text
where coalesce(p.balance::numeric, 0) <> coalesce(h.sum, 0)
"""
_REFERENCES = """
select 'reference_twice', reference_id::text || ' (' || coalesce(type::text, 'NULL') || ', ' || count(*) || ' rows)'
from public.transactions where reference_id is not null group by reference_id, type having count(*) > 1
"""
_RATES = """
select coalesce(action_type::text, 'NULL') as action, coalesce(amount::text, 'nothing') as amount
from public.reward_rates order by 1, 2 limit $1
"""
_SAYS = {
    "money_null": "has no value",
    "money_nan": "is NaN",
    "money_negative": "is below zero",
    "money_beyond_limit": f"is beyond {LIMIT}",
    "money_too_fine": f"has more than {PLACES} decimals",
    "value_null": "is NULL, ours may not be",
    "id_no_uuid": "is no UUID",
    "id_twice": "is the same UUID as another row's, spelt differently",
    "orphan": "names what is not there",
    "balance_drift": "differs from the sum of public.transactions",
    "reference_twice": "is paid for more than once",
}


@dataclass(frozen=True, slots=True)
class _Check:
    where: str
    odd: str
    words_of: str = ""
    """What the oddities are words of (role, status); else they are kinds of ours."""


async def check_rows(connection: asyncpg.Connection, shape: Shape) -> Sequence[Observation]:
    """Every kind of odd row, with how many there are and the first 20."""
    look = Look(connection, Part.ROWS)
    await _count(look, _ids(shape), _money(shape), _nulls(shape), _words(shape), _relations(shape))
    return look.seen


async def check_roles(connection: asyncpg.Connection, shape: Shape) -> Sequence[Observation]:
    """Who holds which role: how many, and the first 20."""
    look = Look(connection, Part.ROWS)
    await _count(look, (check for check in _words(shape) if check.words_of == "role"))
    return look.seen


async def look_at_ids(look: Look, shape: Shape, columns: Container[str]) -> None:
    """See ids in *columns* that are no UUID, none at all, or one and the same."""
    await _count(look, (check for check in _ids(shape) if check.where in columns))


async def check_rates(connection: asyncpg.Connection, shape: Shape) -> Sequence[Observation]:
    """What the app pays, which clients could write: an adoption takes over what is confirmed, and nothing else."""
    look = Look(connection, Part.FOUND)
    if shape.has("public.reward_rates", "action_type", "amount"):
        for action, amount in await look.ask("public.reward_rates", _RATES, SHOWN):
            [shown] = printable([action])
            look.see("rate", "public.reward_rates", f"{shown} is paid {amount}")
    return look.seen


async def _count(look: Look, *checks: Iterable[_Check]) -> None:
    for check in chain.from_iterable(checks):
        sql = _COUNTED.format(odd=check.odd, shown=SHOWN, words=_MOST_WORDS)
        for oddity, times, items in await look.ask(check.where, sql):
            look.see(*_say(check, oddity), times, items)


def _say(check: _Check, oddity: str) -> tuple[str, str, str]:
    """Code, place and words for what is odd."""
    if not check.words_of:
        return oddity, check.where, _SAYS[oddity]
    [word] = printable([oddity])
    if check.words_of == "role" and (oddity in set(Role) or not check.where.endswith(".role")):
        return "role_held", check.where, f"'{word}' is held"
    return f"{check.words_of}_unknown", check.where, f"'{word}' is no {check.words_of} of ours"


def _check(shape: Shape, table: str, column: str, sql: str, words_of: str = "", **others: object) -> _Check:
    names = {"table": table, "column": f'"{column}"', "key": shape.key(table)}
    return _Check(f"{table}.{column}", sql.format(**names, **others), words_of)


def _ids(shape: Shape) -> Iterator[_Check]:
    for table, columns in shape.columns.items():
        for name, column in columns.items():
            if name in IDS and column.type != "uuid":
                yield _check(shape, table, name, _NO_UUIDS, hex=_HEX)
                if name == "id":
                    yield _check(shape, table, name, _SAME_UUIDS)


def _money(shape: Shape) -> Iterator[_Check]:
    for places, signed in ((BALANCES, "false"), (MOVEMENTS, "true")):
        for table, column in places:
            if shape.has(table, column):
                yield _check(shape, table, column, _MONEY, signed=signed, limit=LIMIT, places=PLACES)


def _nulls(shape: Shape) -> Iterator[_Check]:
    for name, table in models(shape):
        for column in table.columns:
            there = shape.columns[name].get(column.name)
            if there and not there.required and not column.nullable and (name, column.name) not in BALANCES:
                yield _check(shape, name, column.name, _NULLS)


def _words(shape: Shape) -> Iterator[_Check]:
    wanted: list[tuple[str, str, Iterable[str], str]] = []
    wanted += [("public.profiles", column, NO_ROLE, "role") for column in ROLES]
    wanted += [(*place, sorted(known), "status") for place, known in STATUSES.items()]
    for table, column, words, kind in wanted:
        if shape.has(table, column):
            known = ", ".join(f"'{word}'" for word in words)
            null_counts = str(kind == "status").lower()
            yield _check(shape, table, column, _WORDS, kind, known=known, null_counts=null_counts)


def _relations(shape: Shape) -> Iterator[_Check]:
    if shape.has("public.profiles", "id"):
        yield _check(shape, "public.profiles", "id", _ORPHANS, target="auth.users")
        for table, column in PEOPLE.items():
            if shape.has(table, column):
                yield _check(shape, table, column, _ORPHANS, target="public.profiles")
    has_history = shape.has("public.transactions", "user_id", "amount")
    if has_history and shape.has("public.profiles", "id", "balance"):
        yield _Check("public.profiles.balance", _DRIFT)
    if shape.has("public.transactions", "reference_id", "type"):
        yield _Check("public.transactions.reference_id", _REFERENCES)
    clips = shape.has("public.voice_clips", "id") and shape.has("public.video_clips", "id")
    if clips and shape.has("public.validations", "id", "voice_clip_id"):
        yield _Check("public.validations.voice_clip_id", _CLIP_ORPHANS)
