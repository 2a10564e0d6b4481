"""While tokens under the project's legacy secret are good, somebody can see whether any still come."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from infrastructure.postgres import maintenance
from infrastructure.postgres.connections import create_pool
from infrastructure.postgres.maintenance import MaintenanceWorker, PostgresLegacyTokens
from infrastructure.postgres.pool import Pool
from infrastructure.supabase.claims import TokenRules
from infrastructure.supabase.jwks import KeySet, parse_jwks, shared_secret
from infrastructure.supabase.verifier import SupabaseTokenVerifier
from support.clock import Clock
from support.database import Database
from support.hostile_tokens import Maker
from support.key_server import FixedKeys
from support.minting import KeyMaterial, as_json, hs

pytestmark = pytest.mark.anyio

SECRET = "a legacy secret of more than 32 characters"
NOW = datetime.fromtimestamp(int(time.time()), UTC)
MATERIAL = KeyMaterial.fresh()
ISSUER = "https://abcdefghijklmnopqrst.supabase.co/auth/v1"
MAKE = Maker(ISSUER, MATERIAL, UUID(int=1), UUID(int=2), int(NOW.timestamp()))
LEGACY = MAKE.headed(hs(SECRET.encode()), alg="HS256", kid="legacy")


async def test_what_was_accepted_last_is_known_by_its_time_new_or_remembered() -> None:
    clock = Clock(NOW.timestamp())
    keys = KeySet(parse_jwks(as_json(MATERIAL.jwks())).by_id, shared_secret(SECRET, local_development=False))
    verifier = SupabaseTokenVerifier(FixedKeys(keys), TokenRules(frozenset({ISSUER})), now=clock)
    seen = []
    for token in (MAKE.claiming(), LEGACY, LEGACY, MAKE.claiming()):
        clock.advance(1)
        await verifier.verify(token)
        seen.append(verifier.legacy_accepted_at)
    first, second = NOW + timedelta(seconds=2), NOW + timedelta(seconds=3)
    assert seen == [None, first, second, second]


class Idle:
    """Neither keys to purge nor days to sum."""

    async def purge(self, limit: int) -> int:
        return min(limit, 0)

    async def sum_day(self) -> bool:
        return False

    async def imbalance(self) -> Decimal:
        return Decimal(0)


class Recorded:
    """Takes what is recorded; twice it is shown the same, and ends the worker the third time."""

    def __init__(self) -> None:
        self.times: list[datetime] = []
        self.shown = iter([None, NOW, NOW, NOW + timedelta(minutes=1)])
        self.worker: MaintenanceWorker | None = None

    def accepted_at(self) -> datetime | None:
        return next(self.shown)

    async def record(self, accepted_at: datetime) -> None:
        self.times.append(accepted_at)
        if accepted_at != NOW and self.worker:
            self.worker.stop()


async def test_a_time_is_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "EVERY_S", 0.001)
    recorded = Recorded()
    recorded.worker = MaintenanceWorker(Idle(), Idle(), recorded, recorded.accepted_at)
    await asyncio.wait_for(recorded.worker.run(), 30)
    assert recorded.times == [NOW, NOW + timedelta(minutes=1)]


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    async with create_pool(database.service, 1) as pool:
        yield pool


async def test_the_newest_time_of_all_processes_is_kept(pool: Pool) -> None:
    tokens = PostgresLegacyTokens(pool)
    for hours in (3, 1, 2):
        await tokens.record(NOW + timedelta(days=365, hours=hours))
    kept = await pool.fetchval("select last_accepted_at from private.legacy_tokens")
    assert kept == NOW + timedelta(days=365, hours=3)
