"""SQL for a request: its identifiers are the catalog's, quoted; its values are parameters of their column's type.

Each statement answers one row: the total if it is counted, the number of rows, and the rows as JSON text.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

from devstack.rest.catalog import SCHEMA, Catalog, ForeignKey, Function, Relation
from devstack.rest.errors import RestError
from devstack.rest.grammar import Condition, Embed, Query, Where

_OPERATORS = {
    "eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "like": "like", "ilike": "ilike",
    "match": "~", "imatch": "~*", "cs": "@>", "cd": "<@", "ov": "&&", "isdistinct": "is distinct from",
}  # fmt: skip
_CASTS = {"", "bigint", "boolean", "date", "int", "integer", "json", "jsonb", "numeric", "text", "uuid"}


class Source(NamedTuple):
    """Something to select from, under an alias."""

    sql: str
    name: str
    alias: str
    relation: Relation

    def column(self, name: str) -> str:
        """A column of it, or PostgreSQL's word for none."""
        if name not in self.relation.columns:
            raise RestError(400, "42703", f"column {self.alias}.{name} does not exist")
        return f"{quoted(self.alias)}.{quoted(name)}"


def quoted(identifier: str) -> str:
    """An identifier, as SQL spells any."""
    return '"' + identifier.replace('"', '""') + '"'


class Statement:
    """Makes the SQL, and collects its parameters. *returning*: whether rows that are written are wanted back."""

    def __init__(
        self, catalog: Catalog, query: Query, *, counted: bool, single: bool, returning: bool
    ) -> None:
        self.arguments: list[str | list[str]] = []
        self._catalog, self._query = catalog, query
        self._counted, self._single, self._returning = counted, single, returning

    def read(self, name: str) -> str:
        """Rows of a table or a view."""
        return self._read(self._table(name))

    def _table(self, name: str) -> Source:
        return Source(f"{SCHEMA}.{quoted(name)}", name, name, self._catalog.table(name))

    def _nothing(self, table: Source) -> str:
        return self._read(table._replace(sql=f"(select * from {table.sql} where false)"))

    def _read(self, source: Source) -> str:
        total = f"(select count(*) {self._filtered(source, self._query)})" if self._counted else "null"
        return f"with page as ({self._rows(source, self._query)}) {self._answer(total)}"

    def _answer(self, total: str) -> str:
        body = "coalesce(json_agg(page)->0, 'null')" if self._single else "coalesce(json_agg(page), '[]')"
        return f"select {total}::bigint, count(*), {body}::text from page"

    def call(self, function: Function, body: str, passed: Collection[str]) -> str:
        """A function, called with what the JSON object *body* has under the names that are *passed*."""
        typed = ", ".join(f"{quoted(name)} {kind}" for name, kind in function.arguments.items())
        given = ""
        if passed:
            given = f"pg_catalog.jsonb_to_record({self._value(body, 'pg_catalog.jsonb')}) as _({typed})"
        arguments = ", ".join(f"{quoted(name)} := _.{quoted(name)}" for name in passed)
        called = f"{SCHEMA}.{quoted(function.name)}({arguments})"
        if function.columns is not None:
            self._single |= not function.returns_set
            before = f"{given}, lateral " if given else ""
            return self._read(Source(before + called, "", function.name, Relation(function.columns)))
        body = "coalesce(json_agg(value), '[]')" if function.returns_set else "json_agg(value)->0"
        page = f"select {called} as value{f' from {given}' if given else ''}"
        return (
            f"with page as ({page}) select null::bigint, count(*), coalesce({body}, 'null')::text from page"
        )

    def insert(
        self, name: str, body: str, columns: Sequence[str], resolution: str | None, on_conflict: Sequence[str]
    ) -> str:
        """The rows of the JSON array *body*, into *columns*; a *resolution* is for rows that are there already."""
        table, listed = self._table(name), ", ".join(map(quoted, columns))
        into = f"insert into {table.sql} as {quoted(name)}"
        self._require(table, columns)
        if not columns:
            return self._nothing(table) if body == "[]" else self._changed(table, f"{into} default values")
        given = self._value(body, "pg_catalog.jsonb")
        rows = f"select {listed} from pg_catalog.jsonb_populate_recordset(null::{table.sql}, {given})"
        keys = on_conflict or table.relation.primary_key
        conflict = ""
        if resolution and keys:
            conflict = f" on conflict ({', '.join(table.column(key) and quoted(key) for key in keys)}) do "
            changes = ", ".join(f"{quoted(column)} = excluded.{quoted(column)}" for column in columns)
            conflict += "nothing" if resolution == "ignore-duplicates" else f"update set {changes}"
        return self._changed(table, f"{into} ({listed}) {rows}{conflict}")

    def update(self, name: str, body: str, columns: Sequence[str]) -> str:
        """The JSON object *body*, into the rows that the query finds."""
        table = self._table(name)
        self._require(table, columns)
        if not columns:
            return self._nothing(table)
        row = f"pg_catalog.jsonb_populate_record(null::{table.sql}, {self._value(body, 'pg_catalog.jsonb')})"
        changes = ", ".join(f"{quoted(column)} = _.{quoted(column)}" for column in columns)
        change = f"update {table.sql} as {quoted(name)} set {changes} from {row} as _"
        return self._changed(table, f"{change}{self._found(table, 'UPDATE')}")

    def delete(self, name: str) -> str:
        """The rows that the query finds, away."""
        table = self._table(name)
        change = f"delete from {table.sql} as {quoted(name)}{self._found(table, 'DELETE')}"
        return self._changed(table, change)

    def _found(self, table: Source, verb: str) -> str:
        if not self._query.where:  # Supabase loads pg-safeupdate for its clients
            raise RestError(400, "21000", f"{verb} requires a WHERE clause")
        return self._where(table, self._query, [])

    @staticmethod
    def _require(table: Source, columns: Sequence[str]) -> None:
        for column in columns:
            if column not in table.relation.columns:
                message = f"Could not find the '{column}' column of '{table.name}' in the schema cache"
                raise RestError(400, "PGRST204", message)

    def _changed(self, table: Source, change: str) -> str:
        if not self._returning:
            return f"with page as ({change} returning 1) select count(*), count(*), '' from page"
        read = replace(self._query, where=[], limit=None, offset=0)
        rows = self._rows(table._replace(sql="changed"), read)
        return (
            f"with changed as ({change} returning {self._returned(table)}), page as ({rows}) "
            f"{self._answer('(select count(*) from changed)')}"
        )

    def _returned(self, table: Source) -> str:
        """Only what is asked for: RETURNING needs the right to read it."""
        wanted = {name for name, *_ in (*self._query.fields, *self._query.order)}
        for embed in self._query.embeds.values():
            key = self._foreign_key(table.name, embed)
            wanted |= set(key.columns if key.table == table.name else key.target_columns)
        return (
            f"{quoted(table.alias)}.*"
            if "*" in wanted
            else ", ".join(map(table.column, sorted(wanted))) or "1"
        )

    def _rows(self, source: Source, query: Query, join: Sequence[str] = ()) -> str:
        fields = [_field(source, *field) for field in query.fields]
        fields += [self._embedded(source, alias, embed) for alias, embed in query.embeds.items()]
        order = ", ".join(source.column(column) + how for column, how in query.order)
        rows = f"select {', '.join(fields)} {self._filtered(source, query, join)}{order and f' order by {order}'}"
        return f"{rows} limit {'all' if query.limit is None else query.limit} offset {query.offset}"

    def _filtered(self, source: Source, query: Query, join: Sequence[str] = ()) -> str:
        return f"from {source.sql} as {quoted(source.alias)}{self._where(source, query, join)}"

    def _where(self, source: Source, query: Query, join: Sequence[str]) -> str:
        conditions = [*join, *(self._condition(source, one) for one in query.where)]
        for embed in query.embeds.values():
            if embed.inner:
                theirs, joined = self._joined(source, self._foreign_key(source.name, embed))
                conditions.append(f"exists (select {self._filtered(theirs, embed.query, joined)})")
        return f" where {' and '.join(conditions)}" if conditions else ""

    def _embedded(self, source: Source, alias: str, embed: Embed) -> str:
        key = self._foreign_key(source.name, embed)
        to_one = key.table == source.name or key.unique
        made = "row_to_json(_)" if to_one else "coalesce(json_agg(_), '[]')"
        theirs, join = self._joined(source, key)
        return f"(select {made} from ({self._rows(theirs, embed.query, join)}) as _) as {quoted(alias)}"

    def _joined(self, source: Source, key: ForeignKey) -> tuple[Source, list[str]]:
        pairs = list(zip(key.columns, key.target_columns, strict=True))
        if key.table != source.name:
            pairs = [(target, column) for column, target in pairs]
        theirs = self._table(key.target if key.table == source.name else key.table)
        theirs = theirs._replace(alias=f"{source.alias}_{theirs.name}")
        return theirs, [f"{theirs.column(their)} = {source.column(our)}" for our, their in pairs]

    def _foreign_key(self, parent: str, embed: Embed) -> ForeignKey:
        found = [
            key
            for key in self._catalog.foreign_keys
            if (key.table == parent and embed.name in {key.target, key.name, *key.columns[:1]})
            or (key.target == parent and embed.name == key.table)
        ]
        if embed.hint is not None:
            found = [
                key for key in found if embed.hint in {key.name, *key.columns[:1], *key.target_columns[:1]}
            ]
        if len(found) == 1:
            return found[0]
        both = f"'{parent}' and '{embed.name}'"
        if found:
            hint = f"Try one of {', '.join(f'{embed.name}!{key.name}' for key in found)}."
            message = f"Could not embed because more than one relationship was found for {both}"
            raise RestError(300, "PGRST201", message, None, hint)
        message = f"Could not find a relationship between {both} in the schema cache"
        raise RestError(400, "PGRST200", message, f"Searched for a foreign key in the schema '{SCHEMA}'.")

    def _condition(self, source: Source, where: Where) -> str:
        if isinstance(where, Condition):
            sql = self._comparison(source, where)
        else:
            sql = f" {where.operator} ".join(self._condition(source, one) for one in where.members)
        return f"not ({sql})" if where.negated else f"({sql})"

    def _comparison(self, source: Source, condition: Condition) -> str:
        column, value, operator = source.column(condition.column), condition.value, condition.operator
        kind = source.relation.columns[condition.column]
        if isinstance(value, list):
            return f"{column} = any ({self._value(value, f'{kind}[]')})"
        if operator == "is":
            return f"{column} is {value.replace('_', ' ')}"
        if operator in {"like", "ilike"}:
            value = value.replace("*", "%")
        return f"{column} {_OPERATORS[operator]} {self._value(value, kind)}"

    def _value(self, value: str | list[str], kind: str) -> str:
        self.arguments.append(value)
        sent = "pg_catalog.text[]" if isinstance(value, list) else "pg_catalog.text"
        return f"${len(self.arguments)}::{sent}::{kind}"


def _field(source: Source, name: str, alias: str, cast: str) -> str:
    if name == "*":
        return f"{quoted(source.alias)}.*"
    if cast not in _CASTS:
        raise RestError(
            400, "PGRST127", "Feature not implemented", f"The local stand-in can't cast to {cast}."
        )
    return f"{source.column(name)}{f'::{cast}' if cast else ''} as {quoted(alias)}"
