"""What clients must not be able to do to the app's own tables once they were taken over: tried, and rolled back."""

from collections.abc import Iterator
from typing import Final

import asyncpg

from infrastructure.adoption.posts import VALIDATIONS, clip_tables
from infrastructure.adoption.shape import PROFILES, TRANSACTIONS, Shape, read_shape
from infrastructure.doctor.clients import BANNED, MADE_UP, Probe, try_as_clients
from infrastructure.doctor.findings import Findings

_ADOPTED: Final = "select exists (select from private.adoption where adopted_at is not null)"
# What a column holds that the app must have and the service does not know, by its type; any other has no clip made up.
_SOMETHING: Final = {
    "text": "'t'",
    "character varying": "'t'",
    "boolean": "false",
    "integer": "0",
    "jsonb": "'{{}}'",
    "timestamp with time zone": "now()",
}
_CLIPS: Final = {
    "mine": ("me", "pending"),
    "approved": ("me", "approved"),
    "theirs": ("other", "pending"),
    "posted": ("banned", "pending"),
}


async def check_old_tables(connection: asyncpg.Connection) -> Findings:
    """Find what a client could do to clips, votes and money of an adopted database, as *connection*'s owner."""
    if not await connection.fetchval(_ADOPTED):
        return
    shape = await read_shape(connection)
    async for finding in try_as_clients(connection, (MADE_UP,), _money(shape)):
        yield finding
    for table in clip_tables(shape):
        scene = (MADE_UP, _made_up_clips(shape, table), BANNED)
        async for finding in try_as_clients(connection, scene, _decisions(shape, table)):
            yield finding


def _required(shape: Shape, table: str) -> dict[str, str]:
    """What else a clip of *table* must have."""
    return {
        name: _SOMETHING.get(column.type.partition("(")[0], "null")
        for name, column in shape.columns[table].items()
        if column.required and not column.has_default and name not in {"id", "user_id", "status"}
    }


def _made_up_clips(shape: Shape, table: str) -> str:
    rest = _required(shape, table)
    rows = (
        ", ".join((f"'{{{clip}}}'", f"'{{{author}}}'", f"'{status}'", *rest.values()))
        for clip, (author, status) in _CLIPS.items()
    )
    return _insert(table, rest, rows)


def _insert(table: str, rest: dict[str, str], rows: Iterator[str]) -> str:
    columns = ", ".join(("id", "user_id", "status", *rest))
    return f"insert into {table} ({columns}) values {', '.join(f'({row})' for row in rows)}"  # noqa: S608


def _decisions(shape: Shape, table: str) -> Iterator[Probe]:
    """Deciding on clips, and touching those of others."""
    rest, name = _required(shape, table), table.removeprefix("public.")
    words = next((column for column in ("title", "phrase") if shape.has(table, column)), None)

    def added(author: str, status: str) -> str:
        values = ", ".join(("'{new}'", f"'{{{author}}}'", f"'{status}'", *rest.values()))
        return _insert(table, rest, iter([values]))

    approve = f"update {table} set status = 'approved' where id = '{{mine}}'"  # noqa: S608
    yield Probe(f"approve its own clip ({name})", approve)
    yield Probe(f"add an approved clip ({name})", added("me", "approved"))
    yield Probe(f"add a clip as somebody else ({name})", added("other", "pending"))
    yield Probe(f"add a clip while banned ({name})", added("banned", "pending"), "banned")
    yield Probe(f"delete an approved clip ({name})", f"delete from {table} where id = '{{approved}}'")  # noqa: S608
    yield Probe(f"delete another user's clip ({name})", f"delete from {table} where id = '{{theirs}}'")  # noqa: S608
    yield Probe(f"truncate {name}", f"truncate {table}")
    if words is not None:
        for clip, whose, who in (
            ("approved", "an approved clip", "me"),
            ("theirs", "another user's clip", "me"),
            ("posted", "a clip while banned", "banned"),
        ):
            sql = f"update {table} set {words} = 'x' where id = '{{{clip}}}'"  # noqa: S608
            yield Probe(f"reword {whose} ({name})", sql, who)
    if shape.has(VALIDATIONS, "validator_id"):
        yield Probe("vote on clips", f"insert into {VALIDATIONS} (validator_id) values ('{{me}}')")  # noqa: S608


def _money(shape: Shape) -> Iterator[Probe]:
    """Writing where an app of before kept money."""
    if shape.has(PROFILES, "balance"):
        yield Probe("raise its old balance", "update public.profiles set balance = 1000 where id = '{me}'")
    if shape.has(TRANSACTIONS, "user_id", "amount"):
        book = "insert into public.transactions (user_id, amount) values ('{me}', 1000)"
        yield Probe("book an old transaction", book)
    if shape.has("public.withdrawals", "user_id", "amount"):
        ask = "insert into public.withdrawals (user_id, amount) values ('{me}', 1000)"
        yield Probe("ask for an old withdrawal", ask)
    if shape.has("public.reward_rates", "amount"):
        yield Probe("raise an old rate", "update public.reward_rates set amount = 1000")
