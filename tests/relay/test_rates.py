"""A backlog drains at the plan's pace, and closes nobody's channel.

``make soak`` runs the long forms; the normal suite takes a sample.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from uuid import uuid4

import httpx
import pytest

from devstack.config import RealtimeLimits
from support.database import Database
from support.events import for_each, owe
from support.relays import relay_process
from support.sockets import BareSocket, bare_socket
from support.stack import SupabaseStack, supabase_on

pytestmark = pytest.mark.anyio

LONG = "LINGUALINK_FAULT_RUNS" in os.environ
DEVICES = 2
USERS = [uuid4() for _ in range(10)]
CHAT = "room:chat"
WARM_S = 60

# What the plan allows, how many events wait, and whether Realtime has been at work for a minute before.
RUNS = [(500, 8_000, False), (100, 3_000, False), (100, 6_000, True)] if LONG else [(500, 800, False)]


@dataclass
class Device:
    """Something that listens, until its channel is closed."""

    socket: BareSocket
    heard: int = 0
    ended: list[str] = field(default_factory=list)

    async def listen(self) -> None:
        while True:
            frame = await self.socket.next(seconds=3_600)
            if frame["event"] == "broadcast":
                self.heard += 1
            elif frame["event"] in {"system", "phx_close"}:
                self.ended.append(str(frame["payload"]))


@pytest.fixture(params=RUNS, ids=lambda run: f"{run[1]} events at {run[0]}/s{', warm' if run[2] else ''}")
def run(request: pytest.FixtureRequest) -> tuple[int, int, bool]:
    made: tuple[int, int, bool] = request.param
    return made


@pytest.fixture
def stack(database: Database, run: tuple[int, int, bool]) -> Iterator[SupabaseStack]:
    """A stand-in with the plan's limit of messages, and with room for any number of requests."""
    limits = RealtimeLimits(messages_per_second=run[0], requests_per_second=10_000, silence_seconds=3_600)
    with supabase_on(database.cluster, database.name, limits=limits) as running:
        yield running


@pytest.fixture
async def devices(stack: SupabaseStack) -> AsyncIterator[list[Device]]:
    """Two devices for each user, and the app's own chat."""
    async with AsyncExitStack() as open_sockets, asyncio.TaskGroup() as tasks:
        made = []
        for topic in [f"user:{user}" for user in USERS for _ in range(DEVICES)] + [CHAT]:
            socket = await open_sockets.enter_async_context(bare_socket(stack, key=stack.secret_key))
            assert (await socket.join(topic, private=True))["status"] == "ok"
            made.append(Device(socket))
        listening = [tasks.create_task(device.listen()) for device in made]
        yield made
        for task in listening:
            task.cancel()


async def chat(stack: SupabaseStack, seconds: float) -> None:
    """The app's own traffic: ten messages a second."""
    url = f"{stack.url}/realtime/v1/api/broadcast/{CHAT}/events/said?private=true"
    async with httpx.AsyncClient(headers={"apikey": stack.secret_key}, timeout=30) as http:
        for _ in range(int(seconds * 10)):
            await http.post(url, json={})
            await asyncio.sleep(0.1)


@pytest.mark.timeout(900)
async def test_a_backlog_closes_nobodys_channel(
    database: Database,
    stack: SupabaseStack,
    devices: list[Device],
    run: tuple[int, int, bool],
    capsys: pytest.CaptureFixture[str],
) -> None:
    limit, count, warm = run
    if warm:
        await chat(stack, WARM_S)
    await owe(database, for_each(USERS, range(1, count // len(USERS) + 1)))
    changes = {"LINGUALINK_DATABASE_POOLER": database.pooler}
    loop = asyncio.get_running_loop()
    began = loop.time()
    with relay_process(database.service_url, stack.url, changes) as relay:
        while await database.fetch("select from private.realtime_outbox where delivered_at is null limit 1"):  # noqa: ASYNC110 - a row has no event
            await asyncio.sleep(0.2)
        took = loop.time() - began
        throttled = await relay.metric('lingualink_realtime_messages_total{outcome="throttled"}')
    async with asyncio.timeout(60):  # what was delivered is on its way to them
        while any(device.heard < count // len(USERS) and not device.ended for device in devices[:-1]):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    closed = [device for device in devices if device.ended]
    with capsys.disabled():
        sys.stdout.write(
            f"\n{count} events in {took:.0f} s at {limit}/s: {len(closed)} channels closed, "
            f"{throttled or 0:.0f} times 429\n"
        )
    assert closed == []
    assert throttled in {None, 0}
    assert [device.heard for device in devices[:-1]] == [count // len(USERS)] * (len(devices) - 1)
