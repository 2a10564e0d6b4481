"""Where the database differs from our models, as ``alembic check`` would say; the app's own columns are its own."""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import SAWarning
from sqlalchemy.ext.asyncio import AsyncEngine

from infrastructure.doctor.findings import Finding, error
from infrastructure.postgres.ownership import compare_options
from infrastructure.postgres.tables import Base

_ADOPTED = text("select tables from private.adoption")


async def check_drift(engine: AsyncEngine) -> Sequence[Finding]:
    """Find tables, columns, types, defaults and indexes that are not as the models say."""
    async with engine.connect() as connection:
        adopted = await connection.scalar(_ADOPTED)
        differences = await connection.run_sync(_differences, frozenset(adopted or ()))
    return [
        error(
            "drift",
            f"the database differs from the models: to match, {_say(difference)}",
            "find out who changed it, and change it back",
        )
        for difference in differences
    ]


def _differences(connection: Connection, adopted: frozenset[str]) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # types of the app's columns that SQLAlchemy does not know
        context = MigrationContext.configure(connection, opts=compare_options(adopted))
        return list(_flat(compare_metadata(context, Base.metadata)))


def _flat(differences: Iterable[Any]) -> Iterable[Any]:
    """Changes of one column come as a list of their own."""
    for difference in differences:
        if isinstance(difference, list):
            yield from difference
        else:
            yield difference


def _say(difference: Sequence[Any]) -> str:
    operation, *where = difference
    names = [getattr(part, "name", part) for part in where[:3] if part is not None]
    table = getattr(getattr(where[-1], "table", None), "name", None)
    on = f" (of {table})" if table is not None and table not in names else ""
    return f"{operation} {'.'.join(str(name) for name in names)}{on}"
