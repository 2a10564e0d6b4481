"""A world on Postgres alone: what memory can't show."""

from collections.abc import AsyncIterator

import pytest

from contract.world import PostgresWorld, postgres_world
from support.database import Database


@pytest.fixture
async def world(database: Database) -> AsyncIterator[PostgresWorld]:
    async with postgres_world(database) as made:
        yield made
