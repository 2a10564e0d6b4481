"""A stand-in for the folder, whose tokens every backend here trusts; and a Realtime that fails on demand."""

from collections.abc import AsyncIterator, Iterator

import pytest

from support.database import Database
from support.faulty_realtime import FaultyRealtime, faulty_realtime
from support.stack import SupabaseStack, supabase_on


@pytest.fixture
def supabase(database: Database) -> Iterator[SupabaseStack]:
    """The stand-in on the test's own database."""
    with supabase_on(database.cluster, database.name) as running:
        yield running


@pytest.fixture
async def realtime() -> AsyncIterator[FaultyRealtime]:
    """A Realtime that fails on demand."""
    async with faulty_realtime() as running:
        yield running
