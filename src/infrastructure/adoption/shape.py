"""Tables and columns as they are there, beside those of the models: what differs, what is missing, what it takes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import asyncpg
from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from infrastructure.adoption.legacy import APP_TABLES
from infrastructure.adoption.observations import Observation, Part
from infrastructure.postgres.migrations import SCHEMA
from infrastructure.postgres.ownership import APP_POSTS, OUR_TABLES
from infrastructure.postgres.tables import Base

_TABLES = """
select n.nspname || '.' || c.relname as name, c.relkind::text as kind, greatest(c.reltuples, 0)::bigint as rows,
       pg_relation_size(c.oid) as bytes,
       array(
         select i.relname::text from pg_index x join pg_class i on i.oid = x.indexrelid where x.indrelid = c.oid
         order by 1
       ) as indexes,
       array(
         select pg_get_constraintdef(k.oid) from pg_constraint k
         where k.conrelid = c.oid and k.contype in ('c', 'u', 'f', 'x') order by 1
       ) as constraints,
       array(
         select t.tgname::text from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal order by 1
       ) as triggers
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname || '.' || c.relname = any ($1::text[]) and c.relkind in ('r', 'p', 'v', 'm', 'f')
order by 1
"""
_COLUMNS = """
select n.nspname || '.' || c.relname as "table", a.attname::text as name, format_type(a.atttypid, a.atttypmod) as type,
       a.attnotnull as required, a.atthasdef or a.attidentity <> '' as has_default
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
where n.nspname || '.' || c.relname = any ($1::text[]) and c.relkind in ('r', 'p', 'v', 'm', 'f')
  and a.attnum > 0 and not a.attisdropped
order by c.relname, a.attnum
"""
_KINDS = {"p": "a partitioned table", "v": "a view", "m": "a materialised view", "f": "a foreign table"}
BYTES_PER_SECOND = 50 * 1024**2
"""What a small instance reads of a table in a second; a guess to the safe side, not a measurement."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is there; *type* as PostgreSQL writes it."""

    type: str
    required: bool
    has_default: bool


class PostsSource(StrEnum):
    """Where the posts of a database are kept: in ``public.posts``, or in LinguaLink's voice and video clips."""

    POSTS = "posts"
    CLIPS = "clips"


@dataclass(frozen=True, slots=True)
class Shape:
    """The tables of ours and of the app that are there, and their columns."""

    tables: Mapping[str, asyncpg.Record]
    columns: Mapping[str, Mapping[str, Column]]

    def has(self, table: str, *columns: str) -> bool:
        """Whether *table* is there, with all of *columns*."""
        return set(columns) <= self.columns.get(table, {}).keys()

    def key(self, table: str) -> str:
        """The column of *table* that a row is named by."""
        return next((name for name in ("id", "user_id") if self.has(table, name)), "ctid")

    def type_of(self, table: str, column: str = "id") -> str | None:
        """The type of a column as PostgreSQL writes it, None where it is not there."""
        found = self.columns.get(table, {}).get(column)
        return None if found is None else found.type

    @property
    def posts_source(self) -> PostsSource | None:
        """Where the app keeps its posts; None where there is neither table."""
        if not self.tables.keys().isdisjoint(APP_POSTS):
            return PostsSource.CLIPS
        return PostsSource.POSTS if "public.posts" in self.tables else None


_HAS_REVISION = f"select to_regclass('{SCHEMA}.alembic_version') is not null"
_REVISION = f"select max(version_num) from {SCHEMA}.alembic_version"  # noqa: S608 - our own text
MADE_PUBLIC_TABLES = "0002"
"""From this revision on every table of ours is the migrations', or was taken over."""


async def read_revision(connection: asyncpg.Connection) -> str:
    """How far the migrations got; empty before the first."""
    if not await connection.fetchval(_HAS_REVISION):
        return ""
    return await connection.fetchval(_REVISION) or ""


async def read_shape(connection: asyncpg.Connection) -> Shape:
    """The tables that matter, as the catalogue has them."""
    names = [*OUR_TABLES, *APP_TABLES]
    tables = {row["name"]: row for row in await connection.fetch(_TABLES, names)}
    columns: dict[str, dict[str, Column]] = {name: {} for name in tables}
    for row in await connection.fetch(_COLUMNS, names):
        columns[row["table"]][row["name"]] = Column(row["type"], row["required"], row["has_default"])
    return Shape(tables, columns)


def models(shape: Shape) -> Iterator[tuple[str, Table]]:
    """Our tables whose names are taken, as the models have them."""
    for name, table in zip(OUR_TABLES, Base.metadata.sorted_tables, strict=True):
        if name in shape.tables:
            yield name, table


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
                yield Observation(
                    Part.FOUND,
                    "column_required",
                    where,
                    "must be given, and the service does not know it",
                )
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
