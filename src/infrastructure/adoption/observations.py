"""One thing that was seen, and how a query is tried that may fail without ending the others."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import asyncpg

from infrastructure.postgres.errors import diagnose

SHOWN: Final = 20
"""How many values of one kind are listed; all are counted."""
_LONGEST = 80


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
        more = ", …" if self.count is not None and self.count > len(self.values) else ""
        listed = f": {', '.join(self.values)}{more}" if self.values else ""
        return " ".join(f"{self.part} {self.code} {self.where}: {self.message}{count}{listed}".split())


def printable(values: Iterable[str]) -> tuple[str, ...]:
    """The first 20 of *values* as a terminal may show them: clients could write anything."""
    return tuple(
        "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in value)[:_LONGEST]
        for value in list(values)[:SHOWN]
    )


async def ask(
    connection: asyncpg.Connection, part: Part, where: str, sql: str, *arguments: Any
) -> tuple[list[asyncpg.Record], list[Observation]]:
    """The rows of *sql*, or an observation that they could not be had: a right is missing, or it took too long.

    Raises:
        asyncpg.PostgresError, asyncpg.InterfaceError: the connection is lost.
    """
    try:
        async with connection.transaction():
            return await connection.fetch(sql, *arguments), []
    except asyncpg.PostgresError as refused:
        known = diagnose(refused, "MIGRATION_DATABASE_URL")
        if connection.is_closed() or known is None:
            raise
        return [], [Observation(part, "not_checked", where, known.cause)]
