"""What is seen of a database: tables and columns beside those of the models, and what queries answer that may fail."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import asyncpg
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from infrastructure.adoption.shape import APP_TABLES, Shape, models
from infrastructure.doctor.findings import SHOWN, listed
from infrastructure.postgres.errors import diagnose
from infrastructure.postgres.ownership import OUR_TABLES

_LONGEST = 80
_KINDS = {"p": "a partitioned table", "v": "a view", "m": "a materialised view", "f": "a foreign table"}
BYTES_PER_SECOND = 50 * 1024**2
"""What a small instance reads of a table in a second; a guess to the safe side, not a measurement."""


class Part(StrEnum):
    """What an observation is about."""

    FOUND = "found"
    ROWS = "rows"
    CLIENTS = "clients"
    LOCKS = "locks"
    ADDED = "added"
    STOPS = "stops"
    STEPS = "steps"


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing that was seen: *code* is stable, *where* is an object of the database, *values* are the first 20."""

    part: Part
    code: str
    where: str
    message: str
    count: int | None = None
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The observation on one line."""
        count = "" if self.count is None else f" ({self.count})"
        values = f": {listed(self.values, self.count or 0)}" if self.values else ""
        return " ".join(f"{self.part} {self.code} {self.where}: {self.message}{count}{values}".split())


def printable(values: Iterable[str]) -> tuple[str, ...]:
    """The first 20 of *values* as a terminal may show them: clients could write anything."""
    return tuple(
        "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in value)[:_LONGEST]
        for value in list(values)[:SHOWN]
    )


class Look:
    """Reads a database for one *part* of what is told of it, and keeps in ``seen`` what there is to tell."""

    def __init__(self, connection: asyncpg.Connection, part: Part) -> None:
        self.seen: list[Observation] = []
        self._connection = connection
        self._part = part

    def see(
        self, code: str, where: str, message: str, count: int | None = None, values: Iterable[str] = ()
    ) -> None:
        """One thing more."""
        self.seen.append(Observation(self._part, code, where, message, count, printable(values)))

    async def ask(self, where: str, sql: str, *arguments: Any) -> Sequence[asyncpg.Record]:
        """The rows of *sql*; none, and a thing to tell, where a right is missing or it took too long.

        Raises:
            asyncpg.PostgresError, asyncpg.InterfaceError: the connection is lost.
        """
        try:
            async with self._connection.transaction():
                return await self._connection.fetch(sql, *arguments)
        except asyncpg.PostgresError as refused:
            known = diagnose(refused, "MIGRATION_DATABASE_URL")
            if self._connection.is_closed() or known is None:
                raise
            self.see("not_checked", where, known.cause)
            return []


def check_found(shape: Shape) -> Iterator[Observation]:
    """What is there, and where it is not as the models say."""
    for name, row in shape.tables.items():
        what = _KINDS.get(row["kind"], "a table")
        holds = f" with {APP_TABLES[name]}" if name in APP_TABLES else " with a name of ours"
        yield Observation(Part.FOUND, "table", name, f"{what}{holds}; rows, as estimated", row["rows"])
        for trigger in row["triggers"]:
            yield Observation(Part.FOUND, "trigger", name, f"has the trigger {trigger}")
        for constraint in row["constraints"]:
            yield Observation(Part.FOUND, "constraint", name, f"has the constraint {constraint}")
    for name, table in models(shape):
        yield from _columns_found(shape, name, table)


def _columns_found(shape: Shape, name: str, table: Table) -> Iterator[Observation]:
    ours = {column.name: column for column in table.columns}
    for title, column in shape.columns[name].items():
        where = f"{name}.{title}"
        if title not in ours:
            if column.required and not column.has_default:
                said = "must be given, and the service does not know it"
                yield Observation(Part.FOUND, "column_required", where, said)
            continue
        wanted = _type(table, title)
        if column.type != wanted:
            yield Observation(Part.FOUND, "column_type", where, f"is {column.type}, ours is {wanted}")
        if not ours[title].nullable and not column.required:
            yield Observation(Part.FOUND, "column_nullable", where, "may be NULL, ours may not")


def check_added(shape: Shape) -> Iterator[Observation]:
    """What of the service's is missing."""
    missing = tuple(name for name in OUR_TABLES if name not in shape.tables)
    if missing:
        yield Observation(Part.ADDED, "tables", "database", f"tables: {', '.join(missing)}", len(missing))
    for name, table in models(shape):
        columns = [column.name for column in table.columns if column.name not in shape.columns[name]]
        if columns:
            yield Observation(Part.ADDED, "columns", name, f"columns: {', '.join(columns)}", len(columns))
        indexes = sorted(
            str(index.name) for index in table.indexes if index.name not in shape.tables[name]["indexes"]
        )
        if indexes:
            yield Observation(Part.ADDED, "indexes", name, f"indexes: {', '.join(indexes)}", len(indexes))
        yield Observation(
            Part.ADDED, "rules", name, "row level security, policies, guard triggers and checks"
        )


def check_locks(shape: Shape) -> Iterator[Observation]:
    """How long each table would be in the way of others, by its size."""
    for name, _ in models(shape):
        size = shape.tables[name]["bytes"]
        seconds = max(1, round(size / BYTES_PER_SECOND))
        yield Observation(
            Part.LOCKS,
            "estimate",
            name,
            f"{size / 1024**2:.1f} MB: columns, triggers and policies need it alone for an instant, and wait for "
            f"transactions that are open on it; to validate a check or to build an index reads all of it, about "
            f"{seconds} s each, and blocks nobody",
        )


def _type(table: Table, column: str) -> str:
    """As ``format_type`` writes it."""
    return table.columns[column].type.compile(postgresql.dialect()).lower().replace(", ", ",")  # type: ignore[no-untyped-call]
