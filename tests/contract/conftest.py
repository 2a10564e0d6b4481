"""The same suite on memory and on Postgres."""

from collections.abc import AsyncIterator

import pytest

from contract.world import MemoryWorld, World, postgres_world
from support.database import Database


@pytest.fixture(params=["memory", "postgres"])
def place(request: pytest.FixtureRequest) -> Database | None:
    """A database of the test's own, or none."""
    if request.param == "memory":
        return None
    database: Database = request.getfixturevalue("database")
    return database


@pytest.fixture
async def world(place: Database | None) -> AsyncIterator[World]:
    """A fresh world, in memory and then on a database."""
    if place is None:
        yield MemoryWorld()
        return
    async with postgres_world(place) as made:
        yield made
