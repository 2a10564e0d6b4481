"""A backend on Postgres alone: what memory can't show."""

from collections.abc import AsyncIterator

import pytest

from contract.backend import PostgresBackend, postgres_backend
from support.database import Database


@pytest.fixture
async def backend(database: Database) -> AsyncIterator[PostgresBackend]:
    async with postgres_backend(database) as made:
        yield made
