"""What an event costs the relay where nothing limits it, and that it costs no more with a million waiting."""

import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Collection, Sequence
from uuid import uuid4

import asyncpg
import pytest
from typing_extensions import override

from application.realtime import relay_events
from application.realtime.pace import Pace
from application.realtime.ports import Message
from application.realtime.relay_events import RelayEvents, RoundResult
from infrastructure.postgres.connections import create_pool
from infrastructure.postgres.lease import PostgresLease
from infrastructure.postgres.outbox import _PENDING, PostgresOutbox
from infrastructure.supabase.admin import RealtimeEndpoint
from infrastructure.supabase.broadcast import RealtimePublisher
from support.database import Database
from support.events import for_each, owe
from support.faulty_realtime import FaultyRealtime

pytestmark = pytest.mark.anyio

EVENTS = 3_000
USERS = 100
MANY = """
insert into private.realtime_outbox (event_id, topic, event, payload)
select gen_random_uuid(), 'user:00000000-0000-4000-8000-' || lpad((n % 1000)::text, 12, '0'), 'balance_updated',
       '{"version": 1}'
from generate_series(1, $1::int) n
"""


class CountingOutbox(PostgresOutbox):
    """Counts its statements."""

    statements: Counter[str]

    @override
    async def pending(self, limit: int, without: Collection[str] = ()) -> Sequence[Message]:
        self.statements["pending"] += 1
        return await super().pending(limit, without)

    @override
    async def delivered(self, ids: Collection[int]) -> None:
        self.statements["delivered"] += 1
        await super().delivered(ids)


async def test_many_events_share_a_statement(
    database: Database,
    realtime: FaultyRealtime,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(relay_events, "ROUND_S", 5.0)  # in which a busy machine sends what a quiet one does
    await owe(database, for_each([uuid4() for _ in range(USERS)], range(1, EVENTS // USERS + 1)))
    async with create_pool(database.service, 2) as pool:
        outbox = CountingOutbox(pool)
        outbox.statements = Counter()
        endpoint = RealtimeEndpoint.of(realtime.url, "sb_secret_for_tests_only")
        publisher = RealtimePublisher(endpoint, through_proxy=False)
        relay = RelayEvents(PostgresLease(pool, "test"), outbox, publisher, Pace(1))
        began, cpu = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_utime
        while await relay() is RoundResult.DELIVERED:
            pass
        took = time.perf_counter() - began
        used = resource.getrusage(resource.RUSAGE_SELF).ru_utime - cpu
        await relay.resign()
        await publisher.aclose()
    with capsys.disabled():
        sys.stdout.write(
            f"\n{EVENTS / took:.0f} events/s, {1000 * used / EVENTS:.2f} ms CPU each with the sink's own, "
            f"{dict(outbox.statements)}\n"
        )
    assert len(realtime.taken) == EVENTS
    assert realtime.repeated() == 0
    assert all(versions == sorted(versions) for versions in realtime.versions().values())
    assert outbox.statements.total() <= EVENTS / 15


async def test_a_claim_reads_as_much_of_a_long_backlog_as_of_a_short_one(database: Database) -> None:
    connection = await asyncpg.connect(database.superuser_url)
    try:
        await connection.execute("set plan_cache_mode = force_generic_plan")
        read = []
        for more in (10_000, 190_000):
            await connection.execute(MANY, more)
            await connection.execute("vacuum (analyze) private.realtime_outbox")
            await buffers(connection)
            read.append(await buffers(connection))
    finally:
        await connection.close()
    assert read[1] <= read[0] * 1.2 + 2


async def buffers(connection: asyncpg.Connection) -> int:
    """How many pages a claim of 200 events reads."""
    rows = await connection.fetch(f"explain (analyze, buffers, format json) {_PENDING}", 200, [])
    [plan] = json.loads(rows[0][0])
    return int(plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"])
