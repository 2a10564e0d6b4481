"""Databases with people in them, before and after what an app may do to them; shared, since refused is unchanged."""

import asyncio
from collections.abc import Iterator

import pytest

from database.arena import migrate_app, populate
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


@pytest.fixture(params=["peopled", "opened"])
def place(request: pytest.FixtureRequest) -> Database:
    """Each of the two."""
    made: Database = request.getfixturevalue(request.param)
    return made
