"""Databases with people in them, before and after what an app may do to them; shared, since refused is unchanged."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from database.adoptees import KINDS, adopt, adoptee
from database.arena import Arena, SdkArena, arena, migrate_app, populate, rest_api
from devstack.adoptee import LINGUALINK
from devstack.keys import SigningKey
from devstack.postgres import LocalPostgres
from support.database import Database, cloned
from support.sdk import javascript, python
from support.stack import SupabaseStack


@pytest.fixture(scope="session")
def peopled(projects: LocalPostgres) -> Iterator[Database]:
    """Somebody to attack."""
    with cloned(projects) as made:
        asyncio.run(populate(made))
        yield made


@pytest.fixture(scope="session")
def opened(projects: LocalPostgres) -> Iterator[Database]:
    """The same, after a migration of the app's that opens whatever it can."""
    with cloned(projects) as made:
        asyncio.run(populate(made))
        asyncio.run(migrate_app(made))
        yield made


@pytest.fixture(scope="session")
async def peopled_arena(peopled: Database) -> AsyncIterator[Arena]:
    """A client of the one."""
    async with arena(peopled) as made:
        yield made


@pytest.fixture(scope="session")
async def opened_arena(opened: Database) -> AsyncIterator[Arena]:
    """A client of the other."""
    async with arena(opened) as made:
        yield made


@contextmanager
def adopted(cluster: LocalPostgres, script: str) -> Iterator[Database]:
    """The same people in a database that had the app's tables first, whose clients were granted everything."""
    with adoptee(cluster, script) as made:
        made.run("delete from public.profiles")
        made.run("delete from auth.users")
        assert adopt(made).exit_code == 0
        asyncio.run(populate(made))
        yield made


@pytest.fixture(scope="session")
def quickstart(cluster: LocalPostgres) -> Iterator[Database]:
    """They in a project of Supabase's quickstart."""
    with adopted(cluster, KINDS["quickstart"]) as made:
        yield made


@pytest.fixture(scope="session")
def lingualink(cluster: LocalPostgres) -> Iterator[Database]:
    """They in LinguaLink's own, with ids as text."""
    with adopted(cluster, LINGUALINK.replace(":id", "text")) as made:
        yield made


@pytest.fixture(scope="session")
async def quickstart_arena(quickstart: Database) -> AsyncIterator[Arena]:
    """A client of the one."""
    async with arena(quickstart) as made:
        yield made


@pytest.fixture(scope="session")
async def lingualink_arena(lingualink: Database) -> AsyncIterator[Arena]:
    """A client of the other."""
    async with arena(lingualink) as made:
        yield made


ARENAS = {
    "before the app": "peopled_arena",
    "after the app": "opened_arena",
    "adopted quickstart": "quickstart_arena",
    "adopted lingualink": "lingualink_arena",
}


@pytest.fixture(params=list(ARENAS.values()), ids=list(ARENAS))
def place(request: pytest.FixtureRequest) -> Arena:
    """A client of each."""
    made: Arena = request.getfixturevalue(request.param)
    return made


CLIENTS = {"supabase-js": javascript, "supabase-py": python}


@pytest.fixture(scope="session")
def key_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the project's signing key is kept, so that tests can sign with it."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="session")
def peopled_rest(peopled: Database, key_folder: Path) -> Iterator[SupabaseStack]:
    """The one over HTTP."""
    with rest_api(peopled, key_folder) as stack:
        yield stack


@pytest.fixture(scope="session")
def opened_rest(opened: Database, key_folder: Path) -> Iterator[SupabaseStack]:
    """The other over HTTP."""
    with rest_api(opened, key_folder) as stack:
        yield stack


@pytest.fixture(scope="session", params=CLIENTS)
async def peopled_sdk(
    request: pytest.FixtureRequest, peopled_rest: SupabaseStack, peopled_arena: Arena, key_folder: Path
) -> AsyncIterator[SdkArena]:
    """A real client of the one."""
    async with CLIENTS[request.param](peopled_rest.url, peopled_rest.publishable_key) as sdk:
        yield SdkArena(sdk, peopled_arena, SigningKey.load(key_folder))


@pytest.fixture(scope="session", params=CLIENTS)
async def opened_sdk(
    request: pytest.FixtureRequest, opened_rest: SupabaseStack, opened_arena: Arena, key_folder: Path
) -> AsyncIterator[SdkArena]:
    """A real client of the other."""
    async with CLIENTS[request.param](opened_rest.url, opened_rest.publishable_key) as sdk:
        yield SdkArena(sdk, opened_arena, SigningKey.load(key_folder))
