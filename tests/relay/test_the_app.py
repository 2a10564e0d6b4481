"""What the app hears, with the real supabase-js, when processes die and connections end."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from support.backend import System, backend_process
from support.database import Database
from support.javascript import Script, running
from support.ledger import findings
from support.money import Payer, off_loop, payer
from support.people import Person
from support.ports import free_port
from support.stack import SupabaseStack

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def serving(
    database: Database, supabase: SupabaseStack, port: int, relay: str
) -> AsyncIterator[tuple[System, int]]:
    """The API as a process of its own, and its id."""
    process = backend_process(database, supabase, port, {"LINGUALINK_RELAY": relay})
    async with off_loop(process) as api:
        yield System(database, supabase, f"http://127.0.0.1:{port}"), api.pid


@asynccontextmanager
async def app_of(person: Person, system: System) -> AsyncIterator[Script]:
    """The person's app, connected and showing a balance."""
    options = {
        "url": system.supabase.url,
        "key": system.supabase.publishable_key,
        "api": system.api_url,
        "topic": person.topic,
        "token": person.token,
    }
    async with running("balance.mjs", **options) as app:
        await app.expect("connected", 60)
        yield app


async def pay_and_die(paying: Payer, pid: int) -> None:
    """Kill the API between its commit and its publish."""
    await paying.pay()
    assert paying.answers[-1] == 201
    os.kill(pid, signal.SIGKILL)


async def test_an_event_reaches_the_app_although_the_api_was_killed_before_it_could_publish(
    database: Database, supabase: SupabaseStack
) -> None:
    port = free_port()
    async with (
        serving(database, supabase, port, "off") as (system, pid),
        payer(system) as paying,
        app_of(paying.recipient, system) as app,
    ):
        await pay_and_die(paying, pid)
        async with serving(database, supabase, port, "inline"):
            heard = (await app.expect("heard", 30))["payload"]
    assert (heard["user_id"], heard["balance"], heard["version"]) == (paying.recipient.id, "0.01", 1)
    [owed] = await database.fetch(
        "select event_id from private.realtime_outbox where topic = $1", paying.recipient.topic
    )
    assert owed["event_id"] == UUID(heard["event_id"])
    assert await findings(database) == []


async def test_an_app_that_was_away_shows_the_right_balance_after_it_comes_back(
    database: Database, supabase: SupabaseStack
) -> None:
    async with (
        serving(database, supabase, free_port(), "inline") as (system, _),
        payer(system) as paying,
        app_of(paying.recipient, system) as app,
    ):
        await paying.pay()
        await app.expect("heard", 30)
        await app.do("disconnect")
        await app.expect("disconnected")
        await asyncio.gather(*(paying.pay() for _ in range(5)))
        while await database.fetch("select from private.realtime_outbox where delivered_at is null"):
            pass
        await app.do("connect")
        back = await app.expect("connected", 30)
        await paying.pay()
        await app.expect("heard", 30)
        await app.do("show")
        shown = await app.expect("shown")
    assert (back["balance"], back["version"]) == ("0.06", 6)
    assert (shown["balance"], shown["version"]) == ("0.07", 7)
