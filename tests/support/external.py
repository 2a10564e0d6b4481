"""A Supabase of somebody else's, named by the environment, in place of the stand-in: ``make test-supabase``."""

import asyncio
import os
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from typing_extensions import override

from devstack.postgres import SUPERUSER, LocalPostgres
from infrastructure.postgres.migrations import upgrade
from support.database import MIGRATOR, Database
from support.pooler import SERVICE
from support.stack import SupabaseStack

VARIABLES: Final = ("SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY", "SUPABASE_SECRET_KEY", "TEST_DATABASE_URL")
SERVICE_PASSWORD: Final = "for-tests-only"


class ExternalPostgres(LocalPostgres):
    """The project's cluster: run by somebody else, reached with *superuser_url*."""

    def __init__(self, superuser_url: str) -> None:
        parts = urlsplit(superuser_url)
        self._parts = parts
        self._users = {
            SUPERUSER: (parts.username or "", parts.password or ""),
            # On a real project postgres runs the migrations, and is no superuser.
            MIGRATOR: ("postgres", parts.password or ""),
            SERVICE: (SERVICE, SERVICE_PASSWORD),
        }

    @override
    def url(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """A connection string for *user*, by the name that it has here."""
        name, password = self._users[user]
        address = f"{name}:{password}@{self._parts.hostname}:{self._parts.port or 5432}"
        return urlunsplit(("postgresql", address, f"/{database}", self._parts.query, ""))


class ExternalDatabase(Database):
    """The project's database: no pooler of the suite stands before it."""

    @property
    @override
    def service_url(self) -> str:
        """As the service."""
        return self.cluster.url(self.name, SERVICE)


@dataclass(frozen=True, slots=True)
class ExternalProject:
    """The project, at head, with the service's role let in."""

    database: Database
    supabase: SupabaseStack


def is_external() -> bool:
    """Whether the environment names a project; all of it, or none.

    Raises:
        RuntimeError: something of it is missing.
    """
    given = [name for name in VARIABLES if os.environ.get(name)]
    if "TEST_DATABASE_URL" not in given:
        return False
    if len(given) < len(VARIABLES):
        raise RuntimeError(f"missing: {', '.join(sorted(set(VARIABLES) - set(given)))}")
    return True


def external_stack() -> SupabaseStack:
    """The named project as a Supabase, whatever is or is not migrated in it."""
    url, publishable, secret, database_url = (os.environ[name] for name in VARIABLES)
    return SupabaseStack(url, database_url, publishable, secret)


def external_project() -> ExternalProject:
    """Bring the named project to head, and let the service in."""
    url, publishable, secret, database_url = (os.environ[name] for name in VARIABLES)
    cluster = ExternalPostgres(database_url)
    database = ExternalDatabase(cluster, urlsplit(database_url).path.strip("/") or "postgres")
    upgrade(database.migrator)
    asyncio.run(_let_service_in(database))
    return ExternalProject(database, SupabaseStack(url, database.superuser_url, publishable, secret))


async def _let_service_in(database: Database) -> None:
    connection = await asyncpg.connect(database.migrator_url)
    try:
        await connection.execute(f"alter role {SERVICE} password '{SERVICE_PASSWORD}'")
    finally:
        await connection.close()
