"""Two relays: one works, the other takes over when it dies. Nothing is lost, and each topic keeps its order."""

import asyncio
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from uuid import uuid4

import pytest

from support.database import Database
from support.events import balance_updated, owe
from support.faulty_realtime import FaultyRealtime, Mode
from support.pooler import SERVICE, pgbouncer, pgbouncer_program, url_through
from support.relays import RelayProcess, relay_process

pytestmark = pytest.mark.anyio

KILLS = int(os.environ.get("LINGUALINK_KILLS", "1"))
TAKEOVER_S = 15
USERS = [uuid4() for _ in range(5)]


@pytest.fixture(params=["direct", "pooler"])
def address(request: pytest.FixtureRequest, database: Database) -> Iterator[tuple[str, dict[str, str]]]:
    """The database's address, and through a transaction-mode pooler."""
    if request.param == "direct":
        yield database.service_url, {"LINGUALINK_DATABASE_POOLER": database.pooler}
        return
    if pgbouncer_program() is None:
        pytest.skip("PgBouncer is not installed: takeover through a transaction-mode pooler is not shown")
    with pgbouncer(database.cluster, "transaction", pool_size=4) as port:
        yield url_through(port, database.name, SERVICE), {"LINGUALINK_DATABASE_POOLER": "transaction"}


async def leader(relays: Sequence[RelayProcess]) -> RelayProcess:
    """The one that leads, as soon as one does."""
    while True:
        for relay in relays:
            if await relay.leads():
                return relay
        await asyncio.sleep(0.05)


class Load:
    """Fifty events a second, the versions of each user in order."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._version = 0
        self.enough = asyncio.Event()

    @property
    def owed(self) -> int:
        return self._version * len(USERS)

    async def run(self) -> None:
        while not self.enough.is_set():
            self._version += 1
            await owe(self._database, [balance_updated(user, self._version) for user in USERS])
            await asyncio.sleep(len(USERS) / 50)

    def expected(self) -> list[int]:
        return list(range(1, self._version + 1))


@pytest.mark.timeout(60 + 40 * KILLS)
async def test_killed_relays_lose_nothing_and_keep_the_order(
    database: Database, realtime: FaultyRealtime, address: tuple[str, dict[str, str]]
) -> None:
    url, changes = address
    load = Load(database)
    with ExitStack() as processes:
        relays = [processes.enter_context(relay_process(url, realtime.url, changes)) for _ in range(2)]
        active = await leader(relays)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(load.run())
            for _ in range(KILLS):
                await realtime.until(load.owed + 20, TAKEOVER_S)
                os.kill(active.process.pid, signal.SIGKILL)
                active.process.wait()
                relays.remove(active)
                relays.append(processes.enter_context(relay_process(url, realtime.url, changes)))
                await realtime.until(load.owed + 20, TAKEOVER_S)
                active = await leader(relays)
            load.enough.set()
        await realtime.until(load.owed, TAKEOVER_S)
    versions = realtime.versions()
    assert all(versions[f"user:{user}"] == load.expected() for user in USERS)


async def test_a_relay_that_is_stopped_hands_over_at_once(
    database: Database, realtime: FaultyRealtime
) -> None:
    with (
        relay_process(database.service_url, realtime.url) as one,
        relay_process(database.service_url, realtime.url) as other,
    ):
        active = await leader([one, other])
        standby = other if active is one else one
        while await standby.metric("lingualink_relay_leading") is None:
            pass
        active.process.send_signal(signal.SIGTERM)
        await owe(database, [balance_updated(USERS[0], 1)])
        await realtime.until(1, 3)
        assert await asyncio.to_thread(active.process.wait, 10) == 0


async def test_a_stopped_relay_finishes_the_batch_in_hand(
    database: Database, realtime: FaultyRealtime
) -> None:
    await realtime.behave(Mode.SLOW)
    await owe(database, [balance_updated(USERS[0], version) for version in range(1, 11)])
    with relay_process(database.service_url, realtime.url) as relay:
        await realtime.until_asked()
        relay.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(relay.process.wait, 10) == 0
    assert len(realtime.taken) == 10
    assert await database.fetch("select from private.realtime_outbox where delivered_at is null") == []


async def test_an_idle_relay_writes_its_lease_seldom_and_a_standby_never(
    database: Database, realtime: FaultyRealtime
) -> None:
    with (
        relay_process(database.service_url, realtime.url) as one,
        relay_process(database.service_url, realtime.url) as other,
    ):
        await leader([one, other])
        before = await lease(database)
        while (after := await lease(database)) == before:  # noqa: ASYNC110 - a row has no event
            await asyncio.sleep(0.1)
        assert (after - before).total_seconds() > 3


async def lease(database: Database) -> datetime:
    [row] = await database.fetch("select expires_at from private.relay_lease")
    expires_at: datetime = row["expires_at"]
    return expires_at
