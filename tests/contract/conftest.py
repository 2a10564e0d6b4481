"""The same suite on memory, on Postgres with transactions alone and in groups, and where clips are the posts."""

from collections.abc import AsyncIterator

import pytest

from contract.backend import Backend, MemoryBackend, postgres_backend
from infrastructure.postgres.grouped_transactions import GroupedDatabase
from infrastructure.postgres.transactions import PostgresDatabase
from support.database import Database


@pytest.fixture(params=["memory", "alone", "grouped", "clips"])
def place(request: pytest.FixtureRequest) -> Database | None:
    """A database of the test's own, or none."""
    if request.param == "memory":
        return None
    database: Database = request.getfixturevalue("clips_database" if request.param == "clips" else "database")
    return database


@pytest.fixture
async def backend(place: Database | None, request: pytest.FixtureRequest) -> AsyncIterator[Backend]:
    """A fresh backend, in memory and then on a database."""
    if place is None:
        yield MemoryBackend()
        return
    grouped = request.node.callspec.params["place"] == "grouped"
    async with postgres_backend(place, GroupedDatabase if grouped else PostgresDatabase) as made:
        yield made
