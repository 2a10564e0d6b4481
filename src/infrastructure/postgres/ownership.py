"""What of the shared database is ours to compare: the app adds tables, columns and indexes of its own."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Table

from infrastructure.postgres.tables import Base

CLIENT_COLUMNS = {
    "profiles": frozenset({"username", "full_name", "avatar_url"}),
    "posts": frozenset({"kind", "title", "body", "language", "dialect", "media_url"}),
}
"""What a client may write of our columns, by table that the app shares; every other column of ours is closed to it.

The guards close them (migration 0005); tests/database/test_shared_columns.py tries each column of the models.
"""

SHARED_TABLES = frozenset(CLIENT_COLUMNS)
"""Tables to which the app adds columns and indexes."""

OUR_TABLES = tuple(f"{table.schema or 'public'}.{table.name}" for table in Base.metadata.sorted_tables)
"""Every table that the migrations make, with its schema."""

APP_POSTS = ("public.voice_clips", "public.video_clips")
"""Where a LinguaLink database that is older than the service keeps its posts."""

_SCHEMAS = frozenset({table.schema for table in Base.metadata.tables.values()})
_TABLES = frozenset(table.name for table in Base.metadata.tables.values())


def include_name(name: str | None, kind: str, parents: Any) -> bool:
    """Whether Alembic looks at what is called *name*: our schemas, and our tables in them."""
    if kind == "schema":
        return name in _SCHEMAS
    if kind == "table":
        return name in _TABLES and parents.get("schema_qualified_table_name") in Base.metadata.tables
    return True


def compare_options(adopted: Collection[str] = ()) -> dict[str, Any]:
    """Options for an Alembic context that compares :class:`Base` with the database.

    What only the database has on a shared table is the app's own. Of the tables that were *adopted* the columns keep
    their types, and the doctor's catalogue has the indexes.
    """

    def is_adopted(table: Table) -> bool:
        return f"{table.schema or 'public'}.{table.name}" in adopted

    def include_object(found: Any, _: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
        if kind == "table":
            return True
        table: Table = found.table
        if kind == "index" and is_adopted(table):
            return False
        if not reflected or compare_to is not None:
            return True
        return not (table.schema is None and table.name in SHARED_TABLES)

    def compare_type(_: Any, __: Any, column: Any, *___: Any) -> bool | None:
        return False if is_adopted(column.table) else None

    return {
        "include_schemas": True,
        "include_name": include_name,
        "include_object": include_object,
        "compare_type": compare_type,
        "compare_server_default": True,
    }
