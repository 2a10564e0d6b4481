"""Databases that look like a Supabase project's, with our migrations run, cloned from a template in milliseconds."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from uuid import uuid4

import asyncpg

from devstack.adoptee import LINGUALINK
from devstack.postgres import LocalPostgres
from devstack.supabase import install_shim
from infrastructure.adoption.run import adopt
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.migrations import upgrade
from support import pooler

MIGRATOR = "supabase_postgres_like"
TEMPLATE = "lingualink_template"


@dataclass(frozen=True, slots=True)
class Database:
    """One database of a cluster, and how each party reaches it."""

    cluster: LocalPostgres
    name: str

    @property
    def superuser_url(self) -> str:
        """As the platform."""
        return self.cluster.url(self.name)

    @property
    def migrator_url(self) -> str:
        """As what Supabase calls ``postgres``, which is no superuser."""
        return self.cluster.url(self.name, MIGRATOR)

    @property
    def service_url(self) -> str:
        """As the service; through the suite's pooler, if it has one."""
        return pooler.service_url(self.cluster, self.name)

    @property
    def service(self) -> DatabaseAddress:
        """The service's address, as its adapters take it."""
        return DatabaseAddress.parse(self.service_url, pooler=self.pooler)

    @property
    def migrator(self) -> DatabaseAddress:
        """The migrations' address, as their runner takes it."""
        return DatabaseAddress.parse(self.migrator_url)

    @property
    def pooler(self) -> Literal["none", "transaction"]:
        """What LINGUALINK_DATABASE_POOLER must say for the service's address."""
        return "transaction" if pooler.pooler_mode() == "transaction" else "none"

    def run(self, sql: str, *arguments: Any) -> list[Any]:
        """Run one statement as the platform, for tests that are not async."""
        return asyncio.run(self._run(sql, arguments))

    async def fetch(self, sql: str, *arguments: Any) -> list[Any]:
        """Run one statement as the platform."""
        return await self._run(sql, arguments)

    async def be_patient(self) -> None:
        """From now on who connects as the service waits for a lock for as long as a request may take, not two seconds.

        For tests in which somebody waits until the test has looked.
        """
        await self.fetch(f"alter role lingualink_api in database \"{self.name}\" set lock_timeout = '30s'")

    async def _run(self, sql: str, arguments: tuple[Any, ...]) -> list[Any]:
        connection = await asyncpg.connect(self.superuser_url)
        try:
            return list(await connection.fetch(sql, *arguments))
        finally:
            await connection.close()


def make_template(cluster: LocalPostgres) -> None:
    """Make the database that others are cloned from: a Supabase project at head.

    With LINGUALINK_TEST_ADOPTED (``uuid`` or ``text``, for the type of ids) it had LinguaLink's own tables first.
    """
    template = Database(cluster, TEMPLATE)
    asyncio.run(_make_project(template))
    id_type = os.environ.get("LINGUALINK_TEST_ADOPTED")
    if id_type is None:
        upgrade(template.migrator)
    else:
        asyncio.run(_adopt(template, id_type))


async def _adopt(database: Database, id_type: str) -> None:
    tables = LINGUALINK.partition("insert into")[0]
    await execute(database.migrator_url, tables.replace(":id", id_type))
    await adopt(database.migrator, {}, {}, lambda _: None)


async def make_project(cluster: LocalPostgres, name: str) -> Database:
    """A Supabase project without our migrations."""
    database = Database(cluster, name)
    await _make_project(database)
    return database


async def _make_project(database: Database) -> None:
    await _as_superuser(database.cluster, f'create database "{database.name}"')
    connection = await asyncpg.connect(database.superuser_url)
    try:
        await install_shim(connection)
        await connection.execute(f'grant create on database "{database.name}" to {MIGRATOR}')
    finally:
        await connection.close()


@contextmanager
def cloned(cluster: LocalPostgres, template: str = TEMPLATE) -> Iterator[Database]:
    """A database of its own at head, for as long as the block runs."""
    database = Database(cluster, f"test_{uuid4().hex}")
    asyncio.run(
        _as_superuser(cluster, f'create database "{database.name}" template {template} strategy file_copy')
    )
    try:
        yield database
    finally:
        asyncio.run(_as_superuser(cluster, f'drop database "{database.name}" with (force)'))


async def _as_superuser(cluster: LocalPostgres, sql: str) -> None:
    await execute(cluster.url(), sql)


async def execute(url: str, sql: str) -> None:
    """Run *sql*, any number of statements, on a connection of its own."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
