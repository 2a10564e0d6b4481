"""Databases with people in them, before and after what an app may do to them; shared, since refused is unchanged."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from database.arena import Arena, arena, migrate_app, populate
from devstack.postgres import LocalPostgres
from support.database import Database, cloned


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


@pytest.fixture(params=["peopled_arena", "opened_arena"], ids=["before the app", "after the app"])
def place(request: pytest.FixtureRequest) -> Arena:
    """A client of each."""
    made: Arena = request.getfixturevalue(request.param)
    return made
