"""Whatever Realtime does, every committed change arrives once it answers again, and money never waits for it."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from application.realtime.relay_events import IN_FLIGHT
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
LONG = "LINGUALINK_FAULT_SECONDS" in os.environ
DEAD_LETTERS = (
    "select event_id, last_error from private.realtime_outbox where dead_lettered_at is not null order by id"
)
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
    if mode is not Mode.REFUSING:
        await realtime.until_asked()
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
    await owe(running.database, QUEUED[:1])
    await realtime.until_asked(2)
    await realtime.behave(Mode.OK)
    while await running.database.fetch("select from private.realtime_outbox where delivered_at is null"):
        pass
    first: dict[object, object] = {}
    assert len(realtime.taken) > 1
    assert all(first.setdefault(one.id, one.payload) == one.payload for one in realtime.taken)
    assert set(first) == {QUEUED[0].event_id}


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


async def dead_letters(running: System, count: int, seconds: float) -> list[Any]:
    """The events that were set aside, as soon as there are so many; within so many seconds."""
    async with asyncio.timeout(seconds):
        while len(found := await running.database.fetch(DEAD_LETTERS)) < count:  # noqa: ASYNC110 - rows have no event
            await asyncio.sleep(0.2)
    return found


@pytest.mark.parametrize("status", [422, 413])
async def test_poison_is_set_aside_alone_and_holds_nothing_up(
    running: System, realtime: FaultyRealtime, status: int
) -> None:
    realtime.poison = status
    poison = for_each([uuid4()], range(1, 3), currency="XXX")
    await owe(running.database, [*QUEUED[:333], poison[0], *QUEUED[333:666], poison[1], *QUEUED[666:]])
    await realtime.until(len(QUEUED), DRAIN_S)
    dead = await dead_letters(running, len(poison), DRAIN_S * 2)
    assert [row["event_id"] for row in dead] == [event.event_id for event in poison]
    assert all(row["last_error"].startswith(str(status)) for row in dead)
    assert realtime.repeated() == 0


@pytest.mark.parametrize("status", [500, 401, None], ids=["500", "401", "no answer"])
async def test_one_message_that_fails_for_ever_stops_no_other_and_is_set_aside_in_two_minutes(
    running: System, realtime: FaultyRealtime, status: int | None
) -> None:
    realtime.poison = status
    [poison] = for_each([uuid4()], range(1, 2), currency="XXX")
    await owe(running.database, [poison, *QUEUED[:104]])
    await realtime.until(104, DRAIN_S)
    if status != 500 and not LONG:
        return
    dead = await dead_letters(running, 1, 120)
    assert [row["event_id"] for row in dead] == [poison.event_id]


async def test_messages_go_to_private_topics_with_the_secret_key_alone_one_at_a_time_for_each(
    running: System, realtime: FaultyRealtime
) -> None:
    await owe(running.database, QUEUED)
    await realtime.until(len(QUEUED), DRAIN_S)
    assert all(message.private for message in realtime.taken)
    assert realtime.most_at_once <= len({message.topic for message in realtime.taken})
    assert realtime.connections <= IN_FLIGHT
    sent = realtime.requests[0]
    assert sent["apikey"] == running.supabase.secret_key
    assert "authorization" not in sent


async def test_the_plans_limit_is_learned_from_the_first_answer_and_kept(
    running: System, realtime: FaultyRealtime
) -> None:
    realtime.limit = 100  # 23 messages a second: each counts three, and seven tenths of the plan are used
    await owe(running.database, QUEUED[:60])
    await realtime.until(60, DRAIN_S)
    times = sorted(message.at for message in realtime.taken)
    # Over all of them: what was sent evenly (test_pace.py), a busy machine may take in together.
    assert times[-1] - times[0] >= (60 - 4) * 3 / (100 * 0.7)
