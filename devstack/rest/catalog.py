"""What the exposed schema holds: the only names that a statement is ever made of."""

import msgspec

from devstack.database import Connection
from devstack.rest.errors import RestError

SCHEMA = "public"
_TYPE = """(select format('%I.%I', n.nspname, t.typname) from pg_type t join pg_namespace n
  on n.oid = t.typnamespace where t.oid = {})"""
_COLUMNS = f"""(select json_object_agg(a.attname, {_TYPE.format("a.atttypid")} order by a.attnum)
  from pg_attribute a where a.attrelid = {{}} and a.attnum > 0 and not a.attisdropped)"""
_NAMES = """(select json_agg(a.attname order by k.place) from unnest({numbers}) with ordinality k (number, place)
  join pg_attribute a on a.attrelid = {relation} and a.attnum = k.number)"""
_LOAD = f"""
select json_build_object(
  'tables', (
    select coalesce(json_object_agg(c.relname, json_build_object(
      'columns', {_COLUMNS.format("c.oid")},
      'primary_key', coalesce((select {_NAMES.format(numbers="i.indkey::int2[]", relation="c.oid")}
        from pg_index i where i.indrelid = c.oid and i.indisprimary), '[]'))), '{{}}')
    from pg_class c where c.relnamespace = '{SCHEMA}'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f')),
  'foreign_keys', (
    select coalesce(json_agg(json_build_object(
      'name', f.conname, 'table', c.relname, 'target', t.relname,
      'columns', {_NAMES.format(numbers="f.conkey", relation="c.oid")},
      'target_columns', {_NAMES.format(numbers="f.confkey", relation="t.oid")},
      'unique', exists (select from pg_index i where i.indrelid = c.oid and i.indisunique
        and i.indkey::int2[] @> f.conkey and i.indkey::int2[] <@ f.conkey))), '[]')
    from pg_constraint f join pg_class c on c.oid = f.conrelid join pg_class t on t.oid = f.confrelid
    where f.contype = 'f' and f.conparentid = 0
      and c.relnamespace = '{SCHEMA}'::regnamespace and t.relnamespace = '{SCHEMA}'::regnamespace),
  'functions', (
    select coalesce(json_agg(json_build_object(
      'name', p.proname, 'returns_set', p.proretset, 'returns_void', p.prorettype = 'void'::regtype,
      'required', p.pronargs - p.pronargdefaults,
      'arguments', (select coalesce(json_object_agg(a.name, {_TYPE.format("a.type")} order by a.place), '{{}}')
        from unnest(p.proargnames, p.proargtypes::oid[]) with ordinality a (name, type, place)
        where a.place <= p.pronargs),
      'columns', coalesce(
        (select json_object_agg(a.name, {_TYPE.format("a.type")})
         from unnest(p.proargnames, p.proallargtypes, p.proargmodes) a (name, type, mode)
         where a.mode in ('o', 't', 'b') and p.prorettype = 'record'::regtype),
        (select {_COLUMNS.format("r.typrelid")} from pg_type r where r.oid = p.prorettype)))), '[]')
    from pg_proc p where p.pronamespace = '{SCHEMA}'::regnamespace and p.prokind = 'f')
)::text
"""


class Relation(msgspec.Struct, frozen=True):
    """Something with columns, each with the name of its type, quoted and with its schema."""

    columns: dict[str, str]
    primary_key: list[str] = []


class ForeignKey(msgspec.Struct, frozen=True):
    """How two tables belong together."""

    name: str
    table: str
    columns: list[str]
    target: str
    target_columns: list[str]
    unique: bool


class Function(msgspec.Struct, frozen=True):
    """A function, its arguments in order, and the columns of the rows that it returns, if it returns rows."""

    name: str
    arguments: dict[str, str]
    required: int
    returns_set: bool
    returns_void: bool
    columns: dict[str, str] | None

    def accepts(self, given: set[str]) -> bool:
        """Whether a call with these arguments means this function."""
        return set(list(self.arguments)[: self.required]) <= given <= set(self.arguments)


class Catalog(msgspec.Struct, frozen=True):
    """The exposed schema, as it is now."""

    tables: dict[str, Relation]
    foreign_keys: list[ForeignKey]
    functions: list[Function]

    def table(self, name: str) -> Relation:
        """The table or view of that name, or PGRST205."""
        if name not in self.tables:
            message = f"Could not find the table '{SCHEMA}.{name}' in the schema cache"
            raise RestError(404, "PGRST205", message)
        return self.tables[name]

    def function(self, name: str, given: set[str]) -> Function:
        """The one function that a call with these arguments means; PGRST202 or PGRST203 when it is not one."""
        fitting = [one for one in self.functions if one.name == name and one.accepts(given)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            message = f"Could not choose the best candidate function between: {', '.join(map(str, fitting))}"
            raise RestError(300, "PGRST203", message)
        names = ", ".join(sorted(given))
        form = f"({names})" if given else " without parameters"
        searched = f" with parameter{'s' * (len(given) > 1)} {names}" if given else form
        function, cache = f"{SCHEMA}.{name}", "in the schema cache"
        details = f"Searched for the function {function}{searched}, but no matches were found {cache}."
        raise RestError(404, "PGRST202", f"Could not find the function {function}{form} {cache}", details)


async def load_catalog(connection: Connection) -> Catalog:
    """Read the schema as it is, where PostgREST keeps a cache until it is told."""
    return msgspec.json.decode(await connection.fetchval(_LOAD), type=Catalog)
