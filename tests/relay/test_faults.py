"""Whatever Realtime does, every committed change arrives once it answers again, and money never waits for it."""

import os
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from support.backend import System, api, backend
from support.database import Database
from support.events import for_each, owe
from support.faulty_realtime import FaultyRealtime, Mode, beside
from support.money import Payer, off_loop, payer
from support.stack import SupabaseStack

pytestmark = pytest.mark.anyio

FAULT_S = float(os.environ.get("LINGUALINK_FAULT_SECONDS", "2"))
DRAIN_S = 30
QUEUED = for_each([uuid4() for _ in range(10)], range(1, 101))
FAULTS = [mode for mode in Mode if mode not in {Mode.OK, Mode.DROPPED}]


@pytest.fixture
async def running(
    database: Database, supabase: SupabaseStack, realtime: FaultyRealtime
) -> AsyncIterator[System]:
    """A backend with its relay, which publishes to the Realtime that fails on demand."""
    async with off_loop(backend(database, supabase, **beside(realtime, supabase))) as system:
        yield system


@pytest.fixture
async def paying(running: System) -> AsyncIterator[Payer]:
    async with payer(running) as somebody:
        yield somebody


@pytest.mark.parametrize("mode", FAULTS, ids=lambda mode: mode.name.lower())
async def test_all_events_arrive_in_order_within_30_s_of_a_faults_end(
    running: System, paying: Payer, realtime: FaultyRealtime, mode: Mode
) -> None:
    await realtime.behave(mode)
    await owe(running.database, QUEUED)
    paid = await paying.pay_for(FAULT_S, per_second=20)
    await realtime.behave(Mode.OK)
    await realtime.until(len(QUEUED) + 2 * paid, DRAIN_S)

    assert paying.answers == [201] * paid
    versions = realtime.versions()
    assert all(versions[f"user:{event.user_id}"] == list(range(1, 101)) for event in QUEUED[:10])
    assert versions[paying.sender.topic] == list(range(2, paid + 2))
    assert versions[paying.recipient.topic] == list(range(1, paid + 1))
    assert (realtime.repeated() > 0) is (mode is Mode.RESET)


async def test_a_repeated_event_has_the_same_id_and_says_the_same(
    running: System, realtime: FaultyRealtime
) -> None:
    await realtime.behave(Mode.RESET)
    await owe(running.database, QUEUED[:10])
    await realtime.until(10, DRAIN_S)
    await realtime.behave(Mode.OK)
    while await running.database.fetch("select from private.realtime_outbox where delivered_at is null"):
        pass
    first: dict[object, object] = {}
    assert len(realtime.taken) > 10
    assert all(first.setdefault(one.id, one.payload) == one.payload for one in realtime.taken)
    assert set(first) == {event.event_id for event in QUEUED[:10]}


async def test_a_client_sees_what_was_dropped_in_spite_of_a_202(
    running: System, paying: Payer, realtime: FaultyRealtime
) -> None:
    await realtime.behave(Mode.DROPPED)
    for _ in range(3):
        await paying.pay()
    while len(realtime.dropped) < 6:
        await paying.http.get("/wallet")
    await realtime.behave(Mode.OK)
    await paying.pay()
    await realtime.until(2, DRAIN_S)

    [seen] = [one.payload for one in realtime.taken if one.topic == paying.recipient.topic]
    async with api(running, paying.recipient.token) as http:
        wallet = (await http.get("/wallet")).json()
    assert seen["version"] == 4  # the first that the client sees: three are missing
    assert (seen["balance"], seen["version"]) == (wallet["balance"], wallet["version"])


async def test_poison_is_parked_alone_and_holds_nothing_up(running: System, realtime: FaultyRealtime) -> None:
    poison = for_each([uuid4()], range(1, 3), currency="XXX")
    await owe(running.database, [*QUEUED[:333], poison[0], *QUEUED[333:666], poison[1], *QUEUED[666:]])
    await realtime.until(len(QUEUED), DRAIN_S)
    parked = await running.database.fetch(
        "select event_id, last_error from private.realtime_outbox where parked_at is not null order by id"
    )
    assert [row["event_id"] for row in parked] == [event.event_id for event in poison]
    assert all(row["last_error"].startswith("422") for row in parked)
    assert realtime.repeated() == 0


async def test_batches_go_to_private_topics_over_one_connection_with_the_secret_key_alone(
    running: System, realtime: FaultyRealtime
) -> None:
    await owe(running.database, QUEUED)
    await realtime.until(len(QUEUED), DRAIN_S)
    assert all(message.private for message in realtime.taken)
    assert realtime.connections == 1
    assert max(realtime.batches) == 50
    sent = realtime.requests[0]
    assert sent["apikey"] == running.supabase.secret_key
    assert "authorization" not in sent


async def test_batches_shrink_to_the_room_that_a_429_tells(running: System, realtime: FaultyRealtime) -> None:
    await realtime.behave(Mode.TOO_LARGE)
    await owe(running.database, QUEUED[:100])
    await realtime.until(100, DRAIN_S)
    assert realtime.batches[:2] == [50, 10]
