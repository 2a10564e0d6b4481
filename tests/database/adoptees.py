"""Databases that have the app's tables already, and what is done to them from the command line."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg
from click.testing import CliRunner, Result

from bootstrap.cli import main
from bootstrap.doctor import AT_HEAD
from devstack.postgres import LocalPostgres, binaries
from infrastructure.adoption.clients import check_old_tables
from infrastructure.doctor.catalogue import check_drift
from infrastructure.doctor.clients import check_clients
from infrastructure.doctor.database import check_level
from infrastructure.postgres.connections import connect
from support.database import MIGRATOR, Database, make_project

HERE = Path(__file__).parent
KINDS = {name: (HERE / f"{name}.sql").read_text() for name in ("quickstart", "lingualink")}


async def make_adoptee(cluster: LocalPostgres, *scripts: str) -> Database:
    """A Supabase project whose app's owner ran *scripts*."""
    made = await make_project(cluster, f"test_{uuid4().hex}")
    await run_as_owner(made, *scripts)
    return made


async def run_as_owner(database: Database, *scripts: str) -> None:
    """Run *scripts* as the dashboard would: as Supabase's ``postgres``, which may refer to Auth's users."""
    connection = await asyncpg.connect(database.superuser_url)
    try:
        await connection.execute(f"grant references, trigger on auth.users to {MIGRATOR}")
        await connection.execute(f"set role {MIGRATOR}")
        for script in scripts:
            await connection.execute(script)
    finally:
        await connection.close()


async def drop(database: Database) -> None:
    """Forget it."""
    connection = await asyncpg.connect(database.cluster.url())
    try:
        await connection.execute(f'drop database "{database.name}" with (force)')
    finally:
        await connection.close()


@contextmanager
def adoptee(cluster: LocalPostgres, *scripts: str) -> Iterator[Database]:
    """One for as long as the block runs."""
    made = asyncio.run(make_adoptee(cluster, *scripts))
    try:
        yield made
    finally:
        asyncio.run(drop(made))


def command(database: Database, *words: str, given: str | None = None) -> Result:
    """Run ``lingualink``; ``-`` among the words reads what is *given*."""
    environment = {"MIGRATION_DATABASE_URL": database.migrator_url}
    return CliRunner().invoke(main, list(words), env=environment, input=given)


def adopt(database: Database, people: str = "") -> Result:
    """Take it over, with *people* confirmed."""
    return command(database, "adopt", "--confirm-roles", "-", given=people)


def dumped(database: Database) -> str:
    """Everything in *database*, and the roles and settings of its cluster."""
    options = ["--no-comments", "--dbname", database.superuser_url]
    done = subprocess.run(
        [str(binaries() / "pg_dump"), *options], capture_output=True, text=True, check=True, timeout=120
    )
    # newer releases of pg_dump fence their output with a random word
    said = "\n".join(line for line in done.stdout.splitlines() if "restrict " not in line[:12])
    roles = database.run("select rolname::text, rolsuper, rolcanlogin from pg_roles order by 1")
    return said + repr([tuple(row) for row in roles])


def as_client(database: Database, sql: str, who: str | None) -> str:
    """Run one statement as PostgREST would, for the user *who* (``{me}``), or with the anon key; the command's tag."""

    async def send() -> str:
        connection = await asyncpg.connect(database.cluster.url(database.name, "authenticator"))
        try:
            async with connection.transaction():
                role = "anon" if who is None else "authenticated"
                await connection.execute(f"set local role {role}")
                claims = json.dumps({"role": role} if who is None else {"role": role, "sub": who})
                await connection.execute("select set_config('request.jwt.claims', $1, true)", claims)
                return str(await connection.execute(sql.format(me=who)))
        finally:
            await connection.close()

    return asyncio.run(send())


def doctor_says(database: Database) -> list[str]:
    """What the doctor finds in the database, and what clients can do in it."""

    async def look() -> list[str]:
        service, owner = await connect(database.service), await connect(database.migrator)
        try:
            looks = [check_level(service), *(check(service) for check in AT_HEAD)]
            looks += [check_drift(database.service), check_clients(owner), check_old_tables(owner)]
            return [str(finding) for look in looks async for finding in look]
        finally:
            await service.close()
            await owner.close()

    return asyncio.run(look())
