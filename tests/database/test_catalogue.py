"""What the doctor expects is what the migrations leave."""

import json
import os

import asyncpg
import pytest

from infrastructure.doctor.catalogue import EXPECTED_FILE, expected, read_items
from infrastructure.postgres.migrations import head_level
from support.database import Database

pytestmark = pytest.mark.anyio


async def items(database: Database) -> dict[str, str]:
    connection = await asyncpg.connect(database.service_url, statement_cache_size=0)
    try:
        return await read_items(connection)
    finally:
        await connection.close()


async def test_the_expected_catalogue_is_what_the_migrations_leave(database: Database) -> None:
    found = await items(database)
    if os.environ.get("LINGUALINK_WRITE_CATALOGUE"):
        EXPECTED_FILE.write_text(json.dumps({"level": head_level(), "items": found}, indent=2) + "\n")
    assert found == expected().items, "run `make catalogue` after changing a migration"


def test_the_expected_catalogue_is_of_the_newest_revision() -> None:
    assert expected().level == head_level(), "run `make catalogue` after adding a migration"
