"""From the commit to the relay: within the process, across processes, and through a pooler."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import pytest

import infrastructure.relay
from application.wallet.withdrawals import WithdrawCommand, WithdrawFunds
from contract.backend import key_of, postgres_backend
from domain.errors import InsufficientFunds
from domain.money import Money
from infrastructure.postgres import notifications
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import connect
from infrastructure.postgres.notifications import CHANNEL, GAP_S, OutboxNotifications
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.transactions import PostgresDatabase
from support.backend import backend
from support.database import Database
from support.events import balance_updated, owe
from support.faulty_realtime import FaultyRealtime, beside
from support.money import off_loop, payer
from support.stack import SupabaseStack

pytestmark = pytest.mark.anyio

EVENTS = [balance_updated(uuid4(), 1)]


async def test_a_commit_that_owes_nothing_wakes_nobody(database: Database) -> None:
    woken: list[None] = []

    def adapter(pool: Pool, _: object) -> PostgresDatabase:
        return PostgresDatabase(pool, lambda: woken.append(None))

    async with postgres_backend(database, adapter) as backend:
        owner, withdraw = await backend.user(balance="1.00"), WithdrawFunds(backend.transactions)
        all_of_it = WithdrawCommand(Money.parse("1.00"))
        await withdraw(owner, all_of_it, key_of("first", "/wallet/withdrawals", {}))
        assert len(woken) == 1
        with pytest.raises(InsufficientFunds):  # kept with its key, so this commits, too
            await withdraw(owner, all_of_it, key_of("second", "/wallet/withdrawals", {}))
    assert len(woken) == 1


@asynccontextmanager
async def connected(channel: OutboxNotifications, woken: asyncio.Event) -> AsyncIterator[None]:
    task = asyncio.create_task(channel.run(woken.set))
    await woken.wait()  # once on connecting
    woken.clear()
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_hundred_commits_in_a_row_are_few_notifications(database: Database) -> None:
    channel, woken, counted = OutboxNotifications(database.service), asyncio.Event(), []
    loop = asyncio.get_running_loop()
    listener = await asyncpg.connect(database.service_url)
    try:
        await listener.add_listener(CHANNEL, lambda *heard: counted.append(heard))
        async with connected(channel, woken):
            began = loop.time()
            for _ in range(100):
                channel.notify()
                await asyncio.sleep(0)
            took = loop.time() - began
            await woken.wait()
        await listener.fetchval("select 1")  # what was notified before has come by now
        assert 1 <= len(counted) <= 3 + took / GAP_S
    finally:
        await listener.close()


async def test_a_lost_connection_is_made_again(database: Database) -> None:
    channel, woken = OutboxNotifications(database.service), asyncio.Event()
    async with connected(channel, woken):
        await database.fetch(
            "select pg_terminate_backend(pid) from pg_stat_activity where query like 'LISTEN%' and datname = $1",
            database.name,
        )
        async with asyncio.timeout(30):
            await woken.wait()
        assert channel.listening


async def test_a_mistake_does_not_end_the_connection_for_good(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    mistakes = [ZeroDivisionError()]

    async def mistaken_once(address: DatabaseAddress) -> asyncpg.Connection:
        if mistakes:
            raise mistakes.pop()
        return await connect(address)

    monkeypatch.setattr(notifications, "connect", mistaken_once)
    channel, woken = OutboxNotifications(database.service), asyncio.Event()
    async with asyncio.timeout(30), connected(channel, woken):
        assert channel.listening


@pytest.fixture
def without_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Relays that would find nothing by themselves for an hour."""
    monkeypatch.setattr(infrastructure.relay, "POLL_S", 3600.0)


@pytest.mark.usefixtures("without_polls")
async def test_a_commit_wakes_the_relay_in_its_own_process(
    database: Database, supabase: SupabaseStack, realtime: FaultyRealtime
) -> None:
    pooled = {**beside(realtime, supabase), "lingualink_database_pooler": "transaction"}  # no notifications
    async with off_loop(backend(database, supabase, **pooled)) as system, payer(system) as paying:
        await paying.pay()
        await realtime.until(2, 30)
        await paying.pay()
        await realtime.until(4, 30)


@pytest.mark.usefixtures("without_polls")
async def test_a_commit_wakes_the_relay_in_another_process(
    database: Database, supabase: SupabaseStack, realtime: FaultyRealtime
) -> None:
    settings = beside(realtime, supabase)
    without = {**settings, "lingualink_relay": "off"}
    async with (
        off_loop(backend(database, supabase, **settings)),
        off_loop(backend(database, supabase, **without)) as system,
        payer(system) as paying,
    ):
        await paying.pay()
        await realtime.until(2, 30)
        await paying.pay()
        await realtime.until(4, 30)


async def test_behind_a_transaction_pooler_the_relay_finds_by_itself_what_others_committed(
    database: Database, supabase: SupabaseStack, realtime: FaultyRealtime
) -> None:
    pooled = {**beside(realtime, supabase), "lingualink_database_pooler": "transaction"}
    async with off_loop(backend(database, supabase, **pooled)):
        await owe(database, EVENTS)
        await realtime.until(1, 30)
    listening = "select from pg_stat_activity where query like 'LISTEN%' and datname = current_database()"
    assert await database.fetch(listening) == []
