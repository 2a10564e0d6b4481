"""A database with people in it, and a client that runs one statement as PostgREST would."""

import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from database.attacks import Case
from devstack.keys import SigningKey
from infrastructure.postgres.tables import Base
from support.database import Database, execute
from support.sdk import Outcome, Sdk, Steps
from support.stack import SupabaseStack, supabase_on

FOLDER = Path(__file__).parent
PEOPLE = (FOLDER / "people.sql").read_text()
APP_MIGRATION = (FOLDER / "app_migration.sql").read_text()
WATCHED = (
    *(f"{table.schema or 'public'}.{table.name}" for table in Base.metadata.sorted_tables),
    "realtime.messages",
)
LOOK = " union all ".join(f"select '{table}' as name, t::text as row from {table} t" for table in WATCHED)


@dataclass(frozen=True, slots=True)
class Arena:
    """Two connections: the client's, which PostgREST would hold, and the platform's, which sees everything."""

    client: asyncpg.Connection
    platform: asyncpg.Connection

    async def state(self) -> list[tuple[str, str]]:
        """Every row of every table of ours."""
        return sorted((found["name"], found["row"]) for found in await self.platform.fetch(LOOK))

    async def run(self, case: Case, sql: str | None = None, *, keep: bool = True) -> int:
        """Run the case in a transaction of its own; how many rows it read or changed.

        Raises:
            asyncpg.PostgresError: it was refused.
        """
        transaction = self.client.transaction()
        await transaction.start()
        try:
            await self._become(case)
            status = await self.client.execute(sql or case.sql)
        except BaseException:
            await transaction.rollback()
            raise
        if keep:
            await transaction.commit()
        else:
            await transaction.rollback()
        words = status.split()
        return int(words[-1]) if words[-1].isdecimal() else 0

    async def returned(self, case: Case) -> list[asyncpg.Record]:
        """What the case's statement returns, in a transaction that is not kept.

        Raises:
            asyncpg.PostgresError: it was refused.
        """
        transaction = self.client.transaction()
        await transaction.start()
        try:
            await self._become(case)
            return list(await self.client.fetch(case.sql))
        finally:
            await transaction.rollback()

    async def _become(self, case: Case) -> None:
        role = "anon" if case.who is None else "authenticated"
        claims = {"role": role} if case.who is None else {"role": role, "sub": case.who}
        await self.client.execute(f"set local role {role}")
        await self.client.execute(
            "select set_config('request.jwt.claims', $1, true), set_config('realtime.topic', $2, true)",
            json.dumps(claims),
            case.topic,
        )


@dataclass(frozen=True, slots=True)
class SdkArena:
    """The same over ``/rest/v1``: a real client, tokens of the project's own, and what the platform sees."""

    sdk: Sdk
    arena: Arena
    key: SigningKey

    async def run(self, case: Case, steps: Steps) -> Outcome:
        """Send the query as the case's user."""
        token = None
        if case.who is not None:
            claims = {"role": "authenticated", "aud": "authenticated", "sub": case.who}
            token = self.key.sign({**claims, "exp": int(time.time()) + 3_600})
        return await self.sdk.run(steps, token)


async def populate(database: Database) -> None:
    """Put the people in."""
    await execute(database.superuser_url, PEOPLE)


async def migrate_app(database: Database) -> None:
    """Let the app open what it can. Supabase's ``postgres`` may switch to replica mode."""
    await execute(
        database.superuser_url, "grant set on parameter session_replication_role to supabase_postgres_like"
    )
    await execute(database.migrator_url, APP_MIGRATION)


@contextmanager
def rest_api(database: Database, folder: Path) -> Iterator[SupabaseStack]:
    """The local Supabase on *database*, with its signing key in *folder*."""
    with supabase_on(database.cluster, database.name, key_folder=folder) as stack:
        yield stack


@asynccontextmanager
async def arena(database: Database) -> AsyncIterator[Arena]:
    """The two connections on *database*."""
    client = await asyncpg.connect(database.cluster.url(database.name, "authenticator"))
    platform = await asyncpg.connect(database.superuser_url)
    try:
        yield Arena(client, platform)
    finally:
        await client.close()
        await platform.close()
