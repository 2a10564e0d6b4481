"""Rounds of the relay, on memory."""

import asyncio
from collections import defaultdict
from uuid import uuid4

import pytest

from application.realtime import relay_events
from application.realtime.ports import Fault, Message
from application.realtime.relay_events import IN_FLIGHT, RoundResult
from domain.errors import Unavailable
from support.events import for_each
from support.memory_relay import RelayHarness, fails, refuses, takes

pytestmark = pytest.mark.anyio

ALL = list(range(1, 121))
USERS = 3


@pytest.fixture
def harness() -> RelayHarness:
    """A hundred and twenty events of three users, who take turns."""
    return RelayHarness(for_each([uuid4() for _ in range(USERS)], range(1, 41)))


def by_user(ids: list[int]) -> dict[int, list[int]]:
    """The ids of each user, in the order in which they came."""
    users: dict[int, list[int]] = defaultdict(list)
    for place in ids:
        users[place % USERS].append(place)
    return users


async def test_everything_goes_out_in_the_order_of_each_topic(harness: RelayHarness) -> None:
    await harness.run()
    assert sorted(harness.publisher.taken) == ALL
    assert all(ids == sorted(ids) for ids in by_user(harness.publisher.taken).values())
    assert (await harness.outbox.backlog()).pending == 0


async def test_the_first_message_goes_alone_and_then_more_with_each_success() -> None:
    harness = RelayHarness(for_each([uuid4() for _ in range(100)], range(1, 2)))
    sizes = []
    while await harness.relay() is RoundResult.DELIVERED:
        sizes.append(len(harness.publisher.tried))
    assert sizes[0] == 1
    assert sizes[1] == 3


async def test_without_the_lease_nothing_is_read_or_sent(harness: RelayHarness) -> None:
    harness.lease.held = False
    assert await harness.relay() is RoundResult.STANDBY
    assert harness.publisher.tried == []


async def test_a_lease_that_is_lost_in_between_stops_the_sending(harness: RelayHarness) -> None:
    harness.lease.outlasts = 4
    while await harness.relay() is not RoundResult.STANDBY:
        pass
    assert len(harness.publisher.taken) == len(harness.publisher.tried) == 4


async def test_the_lease_is_asked_for_once_a_round_however_many_messages_go_out(
    harness: RelayHarness,
) -> None:
    results = await harness.run()
    assert len(harness.publisher.taken) == len(ALL)
    assert harness.lease.renewals == len(results) < len(ALL) / 2


@pytest.mark.parametrize("fault", [Fault.MESSAGE, Fault.PASSING, Fault.KEY], ids=lambda fault: fault.name)
async def test_a_message_that_is_refused_for_ever_holds_up_its_topic_alone_and_is_set_aside_in_two_minutes(
    harness: RelayHarness, fault: Fault
) -> None:
    harness.publisher.behaviour = refuses(17, fault=fault)
    await harness.run(3)
    others = [place for place in ALL if place % USERS != 17 % USERS]
    assert set(others) <= set(harness.publisher.taken)
    await harness.run(115)
    assert [event.id for event in await harness.outbox.dead_letters(10)] == [17]
    assert sorted(harness.publisher.taken) == [place for place in ALL if place != 17]
    assert all(ids == sorted(ids) for ids in by_user(harness.publisher.taken).values())


async def test_what_realtime_finds_fault_with_is_set_aside_within_seconds(harness: RelayHarness) -> None:
    harness.publisher.behaviour = refuses(17, 99)
    await harness.run(20)
    assert [event.id for event in await harness.outbox.dead_letters(10)] == [17, 99]


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name)
async def test_while_nothing_goes_through_nothing_is_set_aside(harness: RelayHarness, fault: Fault) -> None:
    harness.publisher.behaviour = fails(fault)
    harness.publisher.works = False
    results = await harness.run(150)
    assert RoundResult.DELIVERED not in results[40:]
    backlog = await harness.outbox.backlog()
    assert (backlog.pending, backlog.dead_lettered) == (len(ALL), 0)


async def test_a_lone_message_is_set_aside_by_the_proof_of_a_probe() -> None:
    harness = RelayHarness(for_each([uuid4()], range(1, 2)))
    harness.publisher.behaviour = refuses(1, fault=Fault.PASSING)
    await harness.run(115)
    assert [event.id for event in await harness.outbox.dead_letters(10)] == [1]
    assert harness.publisher.probes > 0


@pytest.mark.parametrize("fault", [Fault.MESSAGE, Fault.PASSING, Fault.KEY], ids=lambda fault: fault.name)
async def test_a_message_that_is_refused_slowly_is_set_aside_as_well(
    harness: RelayHarness, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    """While its answer is waited for, nothing else is pending: rounds go by that find nothing to do."""
    monkeypatch.setattr(relay_events, "ROUND_S", 0.001)
    harness.publisher.behaviour = refuses(len(ALL), fault=fault)
    answer = harness.publisher.publish

    async def answer_slowly(message: Message) -> int | None:
        rounds = harness.lease.renewals + 3
        while message.id == len(ALL) and harness.lease.renewals < rounds:  # noqa: ASYNC110 - rounds go by
            await asyncio.sleep(0)
        return await answer(message)

    monkeypatch.setattr(harness.publisher, "publish", answer_slowly)
    await harness.run(115)
    assert [event.id for event in await harness.outbox.dead_letters(10)] == [len(ALL)]


async def test_a_message_is_not_set_aside_when_a_probe_fails_after_it(harness: RelayHarness) -> None:
    harness.publisher.behaviour = refuses(17)
    harness.publisher.works = False
    for _ in range(60):
        harness.commit(for_each([uuid4()], range(1, 2)))  # others go through all the time
        await harness.run(1)
    assert len(harness.publisher.taken) >= 60
    assert await harness.outbox.dead_letters(10) == []
    harness.publisher.works = True
    await harness.run(20)
    assert [event.id for event in await harness.outbox.dead_letters(10)] == [17]


async def test_while_everything_fails_one_message_at_a_time_finds_out(harness: RelayHarness) -> None:
    harness.publisher.behaviour = fails()
    for _ in range(10):
        await harness.relay()
    before = len(harness.publisher.tried)
    harness.now += 60
    assert await harness.relay() is RoundResult.FAILED
    assert len(harness.publisher.tried) == before + 1


async def test_after_a_fault_of_everything_all_is_sent_within_a_second(harness: RelayHarness) -> None:
    harness.publisher.behaviour = fails()
    harness.publisher.works = False
    await harness.run(100)
    harness.publisher.behaviour = takes
    harness.publisher.works = True
    harness.now += 15
    await harness.run(2)
    assert sorted(harness.publisher.taken) == ALL


@pytest.mark.parametrize(
    ("fault", "result"), [(Fault.KEY, RoundResult.DENIED), (Fault.RATE, RoundResult.THROTTLED)]
)
async def test_a_denial_and_a_throttling_stop_at_once_and_are_told(
    harness: RelayHarness, fault: Fault, result: RoundResult
) -> None:
    harness.publisher.behaviour = fails(fault)
    assert await harness.relay() is result
    assert len(harness.publisher.tried) <= IN_FLIGHT


async def test_failures_are_counted_with_their_words(harness: RelayHarness) -> None:
    harness.publisher.behaviour = fails()
    await harness.relay()
    [message] = await harness.outbox.pending(1)
    assert message.attempts == 1


async def test_what_failed_often_before_this_relay_waits_longer() -> None:
    harness = RelayHarness(for_each([uuid4()], range(1, 2)))
    harness.publisher.behaviour = fails()
    for _ in range(4):
        await harness.outbox.failed([1], "before")
    await harness.relay()
    harness.now += 14
    await harness.relay()
    assert len(harness.publisher.tried) == 1


async def test_what_was_taken_is_settled_later_when_the_database_was_away(harness: RelayHarness) -> None:
    harness.outbox.away = True
    with pytest.raises(Unavailable):
        await harness.relay()
    harness.outbox.away = False
    await harness.run()
    assert sorted(harness.publisher.taken) == ALL


async def test_a_stopped_relay_settles_what_was_in_flight_and_gives_the_lease_up(
    harness: RelayHarness,
) -> None:
    await harness.relay()
    await harness.relay.resign()
    assert not harness.lease.held
    assert (await harness.outbox.backlog()).pending == len(ALL) - len(harness.publisher.taken)


async def test_a_stopped_relay_gives_the_lease_up_whatever_became_of_what_was_in_flight(
    harness: RelayHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_events, "ROUND_S", 0.001)
    stopped = asyncio.Event()

    async def mistaken(_: Message) -> int | None:
        await stopped.wait()
        raise ZeroDivisionError

    monkeypatch.setattr(harness.publisher, "publish", mistaken)
    await harness.relay()
    stopped.set()
    with pytest.raises(ZeroDivisionError):
        await harness.relay.resign()
    assert not harness.lease.held


async def test_a_stopped_relay_waits_for_answers_and_not_for_turns(
    harness: RelayHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a small plan the turns that were given out take minutes; a platform waits for half of one."""
    harness.publisher.cost = 1_000
    answer = harness.publisher.publish

    async def tell_a_small_plan(message: Message) -> int:
        await answer(message)
        return 1

    monkeypatch.setattr(harness.publisher, "publish", tell_a_small_plan)
    await harness.relay()
    await harness.relay()  # more topics than the first, each of which waits
    async with asyncio.timeout(30):
        await harness.relay.resign()
    assert harness.publisher.taken == [1]
    assert not harness.lease.held


async def test_a_mistake_of_ours_is_raised_and_loses_nothing(harness: RelayHarness) -> None:
    def mistaken(_: Message) -> None:
        raise ZeroDivisionError

    harness.publisher.behaviour = mistaken
    with pytest.raises(ZeroDivisionError):
        await harness.relay()
    harness.publisher.behaviour = takes
    await harness.run()
    assert sorted(harness.publisher.taken) == ALL
