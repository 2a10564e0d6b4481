"""Delivered means delivered: what the outbox calls so has arrived, whatever failed inside of Realtime meanwhile.

``make soak`` runs the long form; the normal suite takes a sample.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from devstack.config import RealtimeLimits
from support.broken_realtime import Breakage, connection_cut, messages_locked, partition_missing
from support.database import Database
from support.events import for_each, owe
from support.relays import relay_process
from support.sockets import BareSocket, bare_socket
from support.stack import SupabaseStack, supabase_on

pytestmark = pytest.mark.anyio

RUNS = int(os.environ.get("LINGUALINK_FAULT_RUNS", "3"))
PROBE_S = 2.0
SETTLE_S = 120.0  # a process starts, too
USERS = [uuid4() for _ in range(3)]
PENDING = "select from private.realtime_outbox where delivered_at is null"


@pytest.fixture(params=[True, False], ids=["current", "older"])
def stack(request: pytest.FixtureRequest, database: Database) -> Iterator[SupabaseStack]:
    """A stand-in that gives up on its database soon; the older one has no endpoint for single messages."""
    limits = RealtimeLimits(probe_seconds=PROBE_S, single_endpoint=request.param, silence_seconds=3_600)
    with supabase_on(database.cluster, database.name, limits=limits) as running:
        yield running


class Listener:
    """A device on the topic of each user, which may hear everything."""

    def __init__(self, sockets: dict[UUID, BareSocket]) -> None:
        self._sockets = sockets

    async def heard(self, stack: SupabaseStack) -> dict[UUID, list[int]]:
        """The versions that each user has heard, in order: all that was sent until now."""
        async with httpx.AsyncClient(
            base_url=stack.url, headers={"apikey": stack.secret_key}, timeout=30
        ) as http:
            return {user: await self._of(user, socket, http) for user, socket in self._sockets.items()}

    async def _of(self, user: UUID, socket: BareSocket, http: httpx.AsyncClient) -> list[int]:
        last = {"topic": f"user:{user}", "event": "last", "payload": {}, "private": True}
        versions: list[int] = []
        answer = await http.post("/realtime/v1/api/broadcast", json={"messages": [last]})
        assert answer.status_code == 202
        while (message := (await socket.next("broadcast"))["payload"])["event"] != "last":
            versions.append(message["payload"]["version"])
        return versions


@pytest.fixture
async def listener(stack: SupabaseStack) -> AsyncIterator[Listener]:
    async with AsyncExitStack() as open_sockets:
        sockets = {}
        for user in USERS:
            socket = await open_sockets.enter_async_context(bare_socket(stack, key=stack.secret_key))
            assert (await socket.join(f"user:{user}", private=True))["status"] == "ok"
            sockets[user] = socket
        yield Listener(sockets)


FAULTS = [connection_cut, partition_missing, messages_locked]


@pytest.mark.timeout(300 + RUNS * SETTLE_S)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_nothing_is_lost_that_the_outbox_calls_delivered(
    database: Database,
    stack: SupabaseStack,
    listener: Listener,
    fault: Breakage,
    capsys: pytest.CaptureFixture[str],
) -> None:
    platform = await asyncpg.connect(database.superuser_url)
    changes = {"LINGUALINK_DATABASE_POOLER": database.pooler}
    with relay_process(database.service_url, stack.url, changes):
        for run in range(1, RUNS + 1):
            async with fault(platform):
                await owe(database, for_each(USERS, range(run, run + 1)))
                await tried(database)
            await delivered(database)
    await platform.close()
    heard = await listener.heard(stack)
    lost = sum(run not in versions for versions in heard.values() for run in range(1, RUNS + 1))
    with capsys.disabled():
        sys.stdout.write(f"\n{fault.__name__}: {lost} of {RUNS * len(USERS)} events lost\n")
    assert lost == 0
    assert all(sorted(set(versions)) == list(dict.fromkeys(versions)) for versions in heard.values())


async def tried(database: Database) -> None:
    """Return once one of the newest events has been tried, whatever became of it."""
    newest = "select from (select attempts from private.realtime_outbox order by id desc limit $1) e where attempts > 0"
    async with asyncio.timeout(SETTLE_S):
        while not await database.fetch(newest, len(USERS)):  # noqa: ASYNC110 - a row has no event
            await asyncio.sleep(0.05)


async def delivered(database: Database) -> None:
    """Return once nothing is pending."""
    async with asyncio.timeout(SETTLE_S):
        while await database.fetch(PENDING):  # noqa: ASYNC110 - a row has no event
            await asyncio.sleep(0.05)
