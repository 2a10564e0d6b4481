"""What somebody with the app's public key could use over the tables: grants, policies, definer functions, views."""

import asyncpg

from infrastructure.adoption.observations import Observation, Part, ask
from infrastructure.adoption.shape import Shape
from infrastructure.doctor.rls_bypasses import DEFINER_FUNCTIONS, OWNER_VIEWS, SUPABASE_SCHEMAS

_GRANTS = """
select c.relnamespace::regnamespace::text || '.' || c.relname as "table", r.name as role,
       array(
         select p.name from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) as p (name)
         where has_table_privilege(r.name, c.oid, p.name)
       ) as rights, c.relrowsecurity as rls
from pg_class c cross join unnest(array['anon', 'authenticated']) as r (name)
where c.oid = any (select to_regclass(name) from unnest($1::text[]) as t (name))
  and has_schema_privilege(r.name, c.relnamespace, 'usage')
order by 1, 2
"""
_POLICIES = """
select schemaname || '.' || tablename as "table", policyname as name, cmd, array_to_string(roles, ', ') as roles,
       qual, with_check
from pg_policies
where schemaname || '.' || tablename = any ($1::text[]) and permissive = 'PERMISSIVE'
  and roles && array['public', 'anon', 'authenticated']::name[]
order by 1, 2
"""
_WRITES = {"INSERT", "UPDATE", "DELETE", "ALL"}


async def check_clients(connection: asyncpg.Connection, shape: Shape) -> list[Observation]:
    """Everything that clients may use over the tables that are there; none of it is tried."""
    tables = sorted(shape.tables)
    grants, seen = await ask(connection, Part.CLIENTS, "grants", _GRANTS, tables)
    for row in grants:
        if row["rights"]:
            rights = f"{row['role']} has the whole table for {', '.join(row['rights'])}"
            seen.append(_client("table_grant", row["table"], rights))
    for table in sorted({row["table"] for row in grants if row["rights"] and not row["rls"]}):
        seen.append(_client("rls_off", table, "row level security is off, and clients have grants"))
    policies, refused = await ask(connection, Part.CLIENTS, "policies", _POLICIES, tables)
    seen += refused + [_policy(row) for row in policies]
    # The nameless table stands for SQL that is put together when the function runs.
    functions, refused = await ask(
        connection, Part.CLIENTS, "functions", DEFINER_FUNCTIONS, [*tables, ""], SUPABASE_SCHEMAS
    )
    seen += refused
    for row in functions:
        over = f"names {row['table']}" if row["table"] else "executes SQL that it puts together"
        seen.append(
            _client(
                "definer_function",
                row["name"],
                f"clients may call it, it runs with its owner's rights and {over}",
            )
        )
    views, refused = await ask(connection, Part.CLIENTS, "views", OWNER_VIEWS, tables)
    seen += refused
    for row in views:
        message = f"clients may use it, and it shows {row['table']} with its owner's rights"
        seen.append(_client("view_without_security_invoker", row["name"], message))
    return seen


def _policy(row: asyncpg.Record) -> Observation:
    using, check, command = row["qual"], row["with_check"], row["cmd"]
    # For want of a check of its own, UPDATE and ALL check what USING says.
    checked = check if check is not None else using
    is_open = command in _WRITES and "true" in {using, checked}
    terms = [f"using ({using})"] * (using is not None) + [f"with check ({check})"] * (check is not None)
    message = f"{row['name']}, for {command} to {row['roles']}: {' '.join(terms)}"
    return _client("policy_open" if is_open else "policy", row["table"], message)


def _client(code: str, where: str, message: str) -> Observation:
    return Observation(Part.CLIENTS, code, where, message)
