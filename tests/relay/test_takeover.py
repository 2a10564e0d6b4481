"""Two relays: one works, the other takes over when it dies. Nothing is lost, and each topic keeps its order."""

import asyncio
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from infrastructure.postgres.lease import LEASE_S
from support.backend import backend
from support.database import Database
from support.events import balance_updated, owe
from support.faulty_realtime import FaultyRealtime, Mode, beside
from support.money import off_loop
from support.pooler import SERVICE, pgbouncer, pgbouncer_program, url_through
from support.relays import RelayProcess, relay_process
from support.stack import SupabaseStack

pytestmark = pytest.mark.anyio

KILLS = int(os.environ.get("LINGUALINK_KILLS", "1"))
TAKEOVER_S = timedelta(seconds=15)
ARRIVAL_S = 60
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
    """The one that leads, as soon as one does and all of them run: a standby that still starts is none."""
    while True:
        leads = [await relay.metric("lingualink_relay_leading") for relay in relays]
        if None not in leads and 1 in leads:
            return relays[leads.index(1)]
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


@pytest.mark.timeout(300 + 60 * KILLS)
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
                await realtime.until(load.owed + 20, ARRIVAL_S)
                dead, _ = await lease(database)
                os.kill(active.process.pid, signal.SIGKILL)
                active.process.wait()
                relays.remove(active)
                assert await takeover(database, dead) < TAKEOVER_S
                relays.append(processes.enter_context(relay_process(url, realtime.url, changes)))
                await realtime.until(load.owed + 20, ARRIVAL_S)  # an event that was owed after the death
                active = await leader(relays)
            load.enough.set()
        await realtime.until(load.owed, ARRIVAL_S)
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
        last = await lease(database)
        active.process.send_signal(signal.SIGTERM)
        await owe(database, [balance_updated(USERS[0], 1)])
        while (now := await lease(database))[0] == last[0]:
            last = now
        await realtime.until(1, ARRIVAL_S)
        assert await asyncio.to_thread(active.process.wait, 60) == 0
    assert now[1] - timedelta(seconds=LEASE_S) < last[1]  # it was taken before it ended by itself


async def test_a_stopped_relay_finishes_what_is_in_flight(
    database: Database, realtime: FaultyRealtime
) -> None:
    await realtime.behave(Mode.SLOW)
    await owe(database, [balance_updated(user, 1) for user in USERS for _ in range(3)])
    with relay_process(database.service_url, realtime.url) as relay:
        await realtime.until_asked(3)
        relay.process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(relay.process.wait, 60) == 0
    delivered = await database.fetch(
        "select event_id from private.realtime_outbox where delivered_at is not null"
    )
    assert {row["event_id"] for row in delivered} == {message.id for message in realtime.taken}
    assert len(realtime.taken) == len(realtime.asked) >= 3


async def test_a_relay_stops_well_where_its_lease_is_gone(
    database: Database, realtime: FaultyRealtime
) -> None:
    with relay_process(database.service_url, realtime.url) as relay:
        await leader([relay])
        await database.fetch("drop table private.relay_lease")
        relay.process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(relay.process.wait, 60)

    assert code == 0


async def test_an_idle_relay_writes_its_lease_seldom_and_a_standby_never(
    database: Database, supabase: SupabaseStack, realtime: FaultyRealtime
) -> None:
    settings = beside(realtime, supabase)
    async with off_loop(backend(database, supabase, **settings)):
        holder, before = await lease(database)
        async with off_loop(backend(database, supabase, **settings)):
            while (now := await lease(database))[1] == before:  # noqa: ASYNC110 - a row has no event
                await asyncio.sleep(0.1)
    assert now[0] == holder
    assert (now[1] - before).total_seconds() > 3


async def test_the_lease_says_which_process_leads(database: Database, realtime: FaultyRealtime) -> None:
    with relay_process(database.service_url, realtime.url, {"LINGUALINK_RELEASE": "1.2.3"}) as relay:
        holder, _ = await lease(database)
    assert holder.startswith(f"lingualink/1.2.3 {socket.gethostname()}:{relay.process.pid} ")


async def takeover(database: Database, dead: str) -> timedelta:
    """How long nobody led, by the database's clock: from now to when another than *dead* took the lease."""
    [row] = await database.fetch("select clock_timestamp() as died_at")
    while (now := await lease(database))[0] == dead:  # noqa: ASYNC110 - a row has no event
        await asyncio.sleep(0.05)
    died_at: datetime = row["died_at"]
    return now[1] - timedelta(seconds=LEASE_S) - died_at


async def lease(database: Database) -> tuple[str, datetime]:
    """Who leads, and until when."""
    while True:
        [row] = await database.fetch("select holder, expires_at from private.relay_lease")
        if row["holder"] is not None:
            return row["holder"], row["expires_at"]
