"""What the real server does when its database, a key or the rate fails it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from devstack.database import Connection
from devstack.postgres import LocalPostgres
from devstack.supabase import RealtimeLimits
from support.broken_realtime import connection_cut, messages_locked, partition_missing
from support.database import MIGRATOR
from support.people import Person
from support.sockets import bare_socket
from support.stack import SupabaseStack, supabase_on

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("policies")]

BATCH = "/realtime/v1/api/broadcast"


def message(topic: str, number: int = 1) -> dict[str, Any]:
    return {"topic": topic, "event": "counted", "payload": {"number": number}, "private": True}


def single(topic: str) -> str:
    return f"{BATCH}/{quote(topic, safe='')}/events/counted?private=true"


@pytest.fixture(scope="module")
def impatient(cluster: LocalPostgres) -> Iterator[SupabaseStack]:
    """A stand-in that waits half a second for the database, samples each half second, and holds refusals back."""
    limits = RealtimeLimits(
        messages_per_second=20,
        requests_per_second=10_000,
        sample_seconds=0.5,
        probe_seconds=0.5,
        silence_seconds=3,
        handshake_refusal_seconds=0.3,
        join_refusal_seconds=0.3,
    )
    with supabase_on(cluster, limits=limits) as running:
        yield running


@pytest.fixture
async def hasty(impatient: SupabaseStack) -> AsyncIterator[httpx.AsyncClient]:
    """The backend of that one."""
    async with httpx.AsyncClient(
        base_url=impatient.url, headers={"apikey": impatient.secret_key}, timeout=30
    ) as client:
        yield client


async def test_after_a_cut_connection_a_batch_is_accepted_and_lost_with_the_secret_key_too(
    stack: SupabaseStack, publisher: httpx.AsyncClient, database: Connection
) -> None:
    await publisher.post(BATCH, json={"messages": [message("room:warm")]})
    async with bare_socket(stack, key=stack.secret_key) as socket:
        await socket.join("room:lost", private=True)
        async with connection_cut(database):
            answer = await publisher.post(BATCH, json={"messages": [message("room:lost", 1)]})
        await publisher.post(BATCH, json={"messages": [message("room:lost", 2)]})
        first = await socket.next("broadcast")
    assert (answer.status_code, first["payload"]["payload"]) == (202, {"number": 2})


async def test_after_a_cut_connection_a_single_message_is_refused_and_the_next_passes(
    publisher: httpx.AsyncClient, database: Connection
) -> None:
    await publisher.post(single("room:warm"), json={})
    async with connection_cut(database):
        refused, passed = [await publisher.post(single("room:one"), json={}) for _ in range(2)]
    assert (refused.status_code, refused.json()) == (422, {"message": "RLS policy error"})
    assert passed.status_code == 202


async def test_without_todays_partition_a_batch_is_lost_and_a_single_message_refused(
    stack: SupabaseStack, publisher: httpx.AsyncClient, database: Connection, person: Person
) -> None:
    async with partition_missing(database):
        batch = await publisher.post(BATCH, json={"messages": [message("room:lost")]})
        one = await publisher.post(single("room:lost"), json={})
        async with bare_socket(stack) as socket:
            joined = await socket.join(person.topic, person.token, private=True)
    back = await publisher.post(single("room:lost"), json={})
    assert (batch.status_code, back.status_code) == (202, 202)
    assert (one.status_code, one.json()) == (422, {"message": "Missing messages partition"})
    assert joined["response"]["reason"].startswith("MissingPartition: ")


async def test_while_the_messages_are_locked_a_batch_is_lost_and_a_single_message_refused(
    hasty: httpx.AsyncClient, database: Connection
) -> None:
    async with messages_locked(database):
        batch = await hasty.post(BATCH, json={"messages": [message("room:lost")]})
        one = await hasty.post(single("room:lost"), json={})
    assert batch.status_code == 202
    assert (one.status_code, one.json()) == (422, {"message": "Tenant database unavailable"})


async def test_the_partitions_are_daily(database: Connection, publisher: httpx.AsyncClient) -> None:
    await publisher.post(single("room:any"), json={})
    bounds = await database.fetch(
        "select pg_get_expr(relpartbound, oid) as bound from pg_class "
        "where oid in (select inhrelid from pg_inherits where inhparent = 'realtime.messages'::regclass)"
    )
    assert len(bounds) >= 5
    assert all("DEFAULT" not in row["bound"] for row in bounds)


async def test_an_older_server_has_no_single_endpoint(cluster: LocalPostgres) -> None:
    with supabase_on(cluster, limits=RealtimeLimits(single_endpoint=False)) as older:
        async with httpx.AsyncClient(
            base_url=older.url, headers={"apikey": older.secret_key}, timeout=30
        ) as client:
            assert (await client.post(single("room:any"), json={})).status_code == 404
            assert (await client.post(BATCH, json={"messages": [message("room:any")]})).status_code == 202


async def test_a_key_that_the_gateway_does_not_know_crashes_the_sending(stack: SupabaseStack) -> None:
    async with httpx.AsyncClient(
        base_url=stack.url, headers={"apikey": "sb_secret_unknown"}, timeout=30
    ) as client:
        answers = [
            await client.post(single("room:any"), json={}),
            await client.post(BATCH, json={"messages": [message("room:any")]}),
        ]
    assert [answer.status_code for answer in answers] == [500, 500]


@pytest.fixture
def small_plan(cluster: LocalPostgres) -> Iterator[SupabaseStack]:
    """A stand-in for a plan of few messages, which samples each half second and waits long for everything."""
    limits = RealtimeLimits(
        messages_per_second=4, requests_per_second=10_000, sample_seconds=0.5, probe_seconds=60
    )
    with supabase_on(cluster, limits=limits) as running:
        yield running


async def test_over_the_rate_the_receivers_channels_are_closed_and_sending_is_429(
    small_plan: SupabaseStack, database: Connection
) -> None:
    async with (
        bare_socket(small_plan, key=small_plan.secret_key) as socket,
        httpx.AsyncClient(
            base_url=small_plan.url, headers={"apikey": small_plan.secret_key}, timeout=30
        ) as sender,
    ):
        await socket.join("room:flood", private=True)
        async with messages_locked(database):
            # Let in while the rate was low, delivered when it is not.
            late = asyncio.create_task(sender.post(single("room:flood"), json={}, timeout=90))
            await somebody_waits_for_a_lock(database)
            over = "You have exceeded your rate limit"
            while over not in (answer := await sender.post(f"{BATCH}/room:public/events/any", json={})).text:
                assert answer.status_code in {
                    202,
                    429,
                }  # 429 with other words where it is one message too many
        frames = [await socket.next() for _ in range(3)]
    assert (await late).status_code == 202
    assert answer.status_code == 429
    assert [frame["event"] for frame in frames] == ["broadcast", "system", "phx_close"]
    assert frames[1]["payload"]["message"] == "Too many messages per second"


async def somebody_waits_for_a_lock(database: Connection) -> None:
    while not await database.fetch(  # noqa: ASYNC110 - a lock has no event
        "select from pg_locks where not granted and relation = 'realtime.messages'::regclass"
    ):
        await asyncio.sleep(0.01)


async def test_refusals_of_handshakes_and_joins_are_held_back(impatient: SupabaseStack) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(InvalidStatus):
        async with bare_socket(impatient, key="sb_publishable_unknown"):
            pass
    refused = loop.time()
    async with bare_socket(impatient) as socket:
        await socket.join("")
    assert refused - began >= 0.3
    assert loop.time() - refused >= 0.3


async def test_a_connection_that_says_nothing_is_closed(impatient: SupabaseStack) -> None:
    async with bare_socket(impatient) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await socket.next()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1000


@pytest.fixture
async def supautils(database: Connection) -> AsyncIterator[None]:
    """The locks of hosted projects, switched on."""
    await database.execute("alter event trigger locks_of_supautils enable")
    try:
        yield
    finally:
        await database.execute("alter event trigger locks_of_supautils disable")


@pytest.mark.usefixtures("supautils")
async def test_a_policy_of_a_migration_locks_auths_tables_until_it_commits(
    cluster: LocalPostgres, database: Connection
) -> None:
    migrator = await asyncpg.connect(cluster.url(user=MIGRATOR))
    try:
        async with migrator.transaction():
            await migrator.execute("create table public.locking (id int)")
            await migrator.execute("create policy locking on public.locking using (true)")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await database.execute("set lock_timeout = '100ms'; select from auth.users limit 1")
            await migrator.execute("drop table public.locking")
        await database.execute("select from auth.users limit 1")
    finally:
        await migrator.close()
