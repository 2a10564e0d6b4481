"""Every column of ours on a table that the app shares is closed to clients, unless it stands among the open ones."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import Boolean, Column

from database.arena import Arena
from database.attacks import ME, MY_PENDING, NEW, VICTIM, Case
from infrastructure.postgres.ownership import CLIENT_COLUMNS, SHARED_TABLES
from infrastructure.postgres.tables import Base

pytestmark = pytest.mark.anyio

# Values that no row of people.sql has: by name where a constraint wants certain ones, else by type.
BY_NAME = {"kind": "'voice'", "id": f"'{NEW}'"}
BY_TYPE: dict[type, str] = {
    UUID: f"'{VICTIM}'",
    str: "'approved'",
    int: "77",
    bool: "true",
    datetime: "'2000-01-01'",
}
MINE = {"profiles": ME, "posts": MY_PENDING}


def edit(table: str, column: Column[Any]) -> Case:
    """Change the column in one's own row, and say whether it took."""
    name, value = column.name, value_of(column)
    return Case(
        f"edit {table}.{name}",
        ME,
        f"update public.{table} set {name} = {value} where id = '{MINE[table]}' returning {name} = {value} as took",
    )


def add(column: Column[Any]) -> Case:
    """Add a post with the column, and say whether it took."""
    name, value = column.name, value_of(column)
    row = {"kind": "'text'", "title": "'t'", "language": "'rw'", "author_id": f"'{ME}'", name: value}
    return Case(
        f"add posts.{name}",
        ME,
        f"insert into public.posts ({', '.join(row)}) values ({', '.join(row.values())}) "
        f"returning {name} = {value} as took",
    )


def value_of(column: Column[Any]) -> str:
    return BY_NAME.get(column.name) or BY_TYPE[column.type.python_type]


OURS = [(name, column) for name in sorted(SHARED_TABLES) for column in Base.metadata.tables[name].columns]
EDITS = [(edit(table, column), column.name in CLIENT_COLUMNS[table]) for table, column in OURS]
# The id of a post of its own is the client's to choose.
ADDITIONS = [
    (add(column), column.name in CLIENT_COLUMNS[table])
    for table, column in OURS
    if table == "posts" and column.name != "id"
]


async def takes(place: Arena, case: Case) -> bool:
    try:
        return any(row["took"] for row in await place.returned(case))
    except asyncpg.InsufficientPrivilegeError:
        return False


@pytest.mark.parametrize(
    ("case", "is_open"), [*EDITS, *ADDITIONS], ids=[case.name for case, _ in (*EDITS, *ADDITIONS)]
)
async def test_a_client_writes_the_open_columns_alone(case: Case, is_open: bool, place: Arena) -> None:
    assert await takes(place, case) is is_open


async def test_a_column_that_nobody_thought_of_would_be_noticed(peopled_arena: Arena) -> None:
    await peopled_arena.platform.execute("alter table public.posts add column pinned boolean")
    try:
        pinned: Column[Any] = Column("pinned", Boolean())
        assert await takes(peopled_arena, edit("posts", pinned))
        assert await takes(peopled_arena, add(pinned))
    finally:
        await peopled_arena.platform.execute("alter table public.posts drop column pinned")
