"""What operators see on the operations port."""

import asyncio
import socket
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest

from support.backend import System, api, backend, readiness
from support.database import Database
from support.events import balance_updated, for_each, owe
from support.faulty_realtime import FaultyRealtime, Mode, beside
from support.money import off_loop
from support.ports import free_port
from support.relays import relay_process
from support.stack import SupabaseStack

pytestmark = pytest.mark.anyio

EVENTS = for_each([uuid4()], range(1, 4))


@pytest.fixture
def ops_port() -> int:
    return free_port()


@pytest.fixture
async def running(
    database: Database, supabase: SupabaseStack, realtime: FaultyRealtime, ops_port: int
) -> AsyncIterator[System]:
    settings = {**beside(realtime, supabase), "lingualink_ops_port": ops_port}
    async with off_loop(backend(database, supabase, **settings)) as system:
        yield system


async def metrics(port: int) -> dict[str, float]:
    """Every sample that the operations port tells."""
    async with httpx.AsyncClient(timeout=30) as http:
        answer = await http.get(f"http://127.0.0.1:{port}/metrics", timeout=30)
    assert answer.headers["content-type"].startswith("text/plain; version=")
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


async def test_metrics_tell_what_was_delivered_and_what_is_pending(
    running: System, realtime: FaultyRealtime, ops_port: int
) -> None:
    await owe(running.database, [*EVENTS, balance_updated(uuid4(), 1, currency="XXX")])
    await realtime.until(3, 30)
    async with asyncio.timeout(30):
        while (told := await metrics(ops_port))["lingualink_outbox_pending"]:
            pass
    assert told["lingualink_relay_leading"] == 1
    assert told["lingualink_outbox_dead_lettered"] == 1
    assert told["lingualink_outbox_oldest_pending_seconds"] == 0
    assert told["lingualink_outbox_delivery_seconds_count"] == 3
    assert told['lingualink_realtime_messages_total{outcome="accepted"}'] == 3
    assert told['lingualink_realtime_publish_seconds_count{outcome="refused"}'] >= 1


async def test_a_key_that_realtime_denies_is_counted_while_the_events_wait(
    running: System, realtime: FaultyRealtime, ops_port: int
) -> None:
    await realtime.behave(Mode.UNAUTHORIZED)
    await owe(running.database, EVENTS)
    await realtime.until_asked()
    async with asyncio.timeout(30):
        while 'lingualink_realtime_messages_total{outcome="denied"}' not in (told := await metrics(ops_port)):
            pass
    assert told["lingualink_outbox_pending"] == 3
    assert told["lingualink_outbox_oldest_pending_seconds"] > 0


async def test_a_key_that_the_clis_gateway_does_not_know_is_denied_and_counted(
    database: Database, supabase: SupabaseStack
) -> None:
    await owe(database, EVENTS)
    changes = {
        "SUPABASE_SECRET_KEY": "sb_secret_of_somebody_else",
        "LINGUALINK_DATABASE_POOLER": database.pooler,
    }
    with relay_process(database.service_url, supabase.url, changes) as relay:
        # The test's own time limit ends it otherwise: a process starts.
        while not await relay.metric('lingualink_realtime_messages_total{outcome="denied"}'):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
    assert len(await database.fetch("select from private.realtime_outbox where delivered_at is null")) == 3


async def test_realtime_is_no_part_of_readiness(running: System, realtime: FaultyRealtime) -> None:
    await realtime.behave(Mode.REFUSING)
    await owe(running.database, EVENTS)
    assert (await asyncio.to_thread(readiness, running.api_url)).status_code == 200


async def test_requests_are_counted_by_route_and_tokens_by_reason(running: System, ops_port: int) -> None:
    async with api(running, "not.a.token") as http:
        await http.get(f"/wallet?nonce={uuid4()}")
        await http.get(f"/no/such/{uuid4()}")
    told = await metrics(ops_port)
    name = "lingualink_http_request_seconds_count"
    assert told[f'{name}{{method="GET",route="/wallet",status="401"}}'] == 1
    assert told[f'{name}{{method="GET",route="unmatched",status="404"}}'] == 1
    assert (
        sum(value for name, value in told.items() if name.startswith("lingualink_tokens_rejected_total")) == 1
    )


async def test_metrics_are_not_on_the_public_port(running: System) -> None:
    async with api(running) as http:
        assert (await http.get("/metrics")).status_code == 404


async def test_a_taken_operations_port_costs_the_metrics_and_not_the_service(
    database: Database, supabase: SupabaseStack, ops_port: int
) -> None:
    with socket.create_server(("127.0.0.1", ops_port)):
        async with (
            off_loop(backend(database, supabase, lingualink_ops_port=ops_port)) as system,
            api(system) as http,
        ):
            assert (await http.get("/health/live")).status_code == 200
