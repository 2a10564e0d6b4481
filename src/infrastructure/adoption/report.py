"""Reads all that can be said of a database before it is taken over, in one transaction that can't write.

To it belongs what somebody with the app's public key could use over its tables; none of that is tried.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg

from infrastructure.adoption.observations import (
    Look,
    Observation,
    Part,
    check_added,
    check_found,
    check_locks,
)
from infrastructure.adoption.obstacles import check_obstacles
from infrastructure.adoption.profiles import Named, find_people
from infrastructure.adoption.rows import check_rates, check_roles, check_rows
from infrastructure.adoption.run import plan
from infrastructure.adoption.shape import MADE_PUBLIC_TABLES, Shape, read_revision, read_shape
from infrastructure.doctor.app import DEFINER_FUNCTIONS, OWNER_VIEWS
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import connected
from infrastructure.postgres.migrations import refuse_transaction_pooler

# Without row_security = off a role that policies hold back would count fewer rows, and not know. With no search path
# every name is printed with its schema, and nobody's function is called in place of PostgreSQL's.
_SESSION = (
    "set local lock_timeout = '1s'",
    "set local statement_timeout = '60s'",
    "set local row_security = off",
    "set local search_path = ''",
)
_ADOPTION = "select adopted_at from private.adoption"
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


async def survey(address: DatabaseAddress) -> Sequence[Observation]:
    """All that was seen, of one moment; the database is not changed, and each statement ends after a minute.

    Raises:
        MigrationRefused: the address is a transaction-mode pooler's.
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: no connection, or it was lost.
    """
    async with _reading(address) as connection:
        revision = await read_revision(connection)
        if revision >= MADE_PUBLIC_TABLES:
            return [_found(revision), *await _say_whose(connection)]
        shape = await read_shape(connection)
        seen = [_found(revision)] if revision else []
        if not shape.tables:
            nothing = "no table of ours or of the app's is there: `lingualink migrate` is the way"
            return [*seen, Observation(Part.FOUND, "nothing", "database", nothing)]
        seen += check_found(shape)
        seen += await check_rows(connection, shape)
        seen += await check_rates(connection, shape)
        seen += await _check_clients(connection, shape)
        seen += await check_obstacles(connection, shape)
        return [*seen, *check_locks(shape), *check_added(shape), *await plan(connection, shape, address)]


async def rehearse(address: DatabaseAddress, named: Named) -> Sequence[Observation]:
    """What an adoption would stop at, which steps it would take, and who would be what; read in the same way.

    Raises:
        NotConfirmed: somebody who is named has no account, no profile, or two names.
        MigrationRefused: the address is a transaction-mode pooler's.
        OSError, asyncpg.PostgresError, asyncpg.InterfaceError: no connection, or it was lost.
    """
    async with _reading(address) as connection:
        shape = await read_shape(connection)
        seen: list[Observation] = []
        if await read_revision(connection) < MADE_PUBLIC_TABLES:
            seen += await check_obstacles(connection, shape)
        seen += await plan(connection, shape, address)
        seen += await check_roles(connection, shape)
        seen += await check_rates(connection, shape)
        people = await find_people(connection, named)
        return [
            *seen,
            *(
                Observation(Part.STEPS, "role", str(user_id), f"will be {role}, and everybody else user")
                for user_id, role in people.items()
            ),
        ]


@asynccontextmanager
async def _reading(address: DatabaseAddress) -> AsyncIterator[asyncpg.Connection]:
    await refuse_transaction_pooler(address)
    async with (
        connected(address) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        for setting in _SESSION:
            await connection.execute(setting)
        yield connection


def _found(revision: str) -> Observation:
    return Observation(Part.FOUND, "revision", "database", f"the migrations got to revision {revision}")


async def _say_whose(connection: asyncpg.Connection) -> Sequence[Observation]:
    look = Look(connection, Part.FOUND)
    rows = await look.ask("private.adoption", _ADOPTION)
    if not rows:
        look.see("ours", "database", "the tables are the migrations' own: nothing is to be taken over")
    for [adopted_at] in rows:
        if adopted_at is None:
            look.see("unfinished", "database", "an adoption began and is not finished: run it again")
        else:
            look.see("adopted", "database", f"adopted {adopted_at:%Y-%m-%d %H:%M:%S} UTC")
    return look.seen


async def _check_clients(connection: asyncpg.Connection, shape: Shape) -> Sequence[Observation]:
    """Grants, policies, definer functions and views."""
    tables, look = sorted(shape.tables), Look(connection, Part.CLIENTS)
    grants = [row for row in await look.ask("grants", _GRANTS, tables) if row["rights"]]
    for row in grants:
        rights = ", ".join(row["rights"])
        look.see("table_grant", row["table"], f"{row['role']} has the whole table for {rights}")
    for table in sorted({row["table"] for row in grants if not row["rls"]}):
        look.see("rls_off", table, "row level security is off, and clients have grants")
    for row in await look.ask("policies", _POLICIES, tables):
        _see_policy(look, row)
    for name, table in await look.ask("functions", DEFINER_FUNCTIONS, tables):
        over = f"names {table}" if table else "executes SQL that it puts together"
        look.see("definer_function", name, f"clients may call it, it runs with its owner's rights and {over}")
    for name, table in await look.ask("views", OWNER_VIEWS, tables):
        said = f"clients may use it, and it shows {table} with its owner's rights"
        look.see("view_without_security_invoker", name, said)
    return look.seen


def _see_policy(look: Look, row: asyncpg.Record) -> None:
    using, check, command = row["qual"], row["with_check"], row["cmd"]
    # For want of a check of its own, UPDATE and ALL check what USING says.
    checked = check if check is not None else using
    is_open = command in _WRITES and "true" in {using, checked}
    terms = [f"using ({using})"] * (using is not None) + [f"with check ({check})"] * (check is not None)
    said = f"{row['name']}, for {command} to {row['roles']}: {' '.join(terms)}"
    look.see("policy_open" if is_open else "policy", row["table"], said)
