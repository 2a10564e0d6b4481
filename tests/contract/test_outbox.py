"""What every Outbox promises, in memory and on Postgres."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import msgspec
import pytest

from application.realtime.ports import Outbox
from domain.events import BalanceUpdated, topic_of
from infrastructure.postgres.connections import create_pool
from infrastructure.postgres.outbox import PostgresOutbox
from support.database import Database
from support.events import for_each, owe
from support.memory.database import MemoryDatabase
from support.memory.outbox import MemoryOutbox

pytestmark = pytest.mark.anyio

EVENTS = for_each([uuid4(), uuid4()], range(1, 4))


@pytest.fixture
async def outbox(place: Database | None) -> AsyncIterator[Outbox]:
    """An outbox that owes six events."""
    if place is None:
        yield MemoryOutbox(MemoryDatabase(outbox=list(EVENTS)))
        return
    await owe(place, EVENTS)
    async with create_pool(place.service, 2) as pool:
        yield PostgresOutbox(pool)


async def test_what_is_owed_comes_in_the_order_of_the_commits(outbox: Outbox) -> None:
    assert [message.event_id for message in await outbox.due(100)] == [event.event_id for event in EVENTS]


async def test_no_more_than_was_asked_for(outbox: Outbox) -> None:
    assert [message.event_id for message in await outbox.due(2)] == [event.event_id for event in EVENTS[:2]]


async def test_a_message_says_what_the_event_says(outbox: Outbox) -> None:
    [message] = await outbox.due(1)
    event: BalanceUpdated = EVENTS[0]
    assert (message.topic, message.event, message.attempts) == (
        topic_of(event.user_id),
        "balance_updated",
        0,
    )
    assert msgspec.json.decode(message.payload)["balance"] == "1.00"


async def test_what_was_delivered_is_owed_no_more(outbox: Outbox) -> None:
    first, second, *others = await outbox.due(100)
    await outbox.delivered([first.id, second.id])
    assert [message.id for message in await outbox.due(100)] == [message.id for message in others]


async def test_a_failure_is_counted_and_the_event_stays_owed(outbox: Outbox) -> None:
    [first] = await outbox.due(1)
    await outbox.failed([first.id], "503")
    [again] = await outbox.due(1)
    assert (again.id, again.attempts) == (first.id, 1)


async def test_a_parked_event_steps_aside_and_says_why(outbox: Outbox) -> None:
    first, second = await outbox.due(2)
    await outbox.park(first.id, "422: too large")
    [parked] = await outbox.parked(10)
    assert (parked.event_id, parked.why, parked.attempts) == (first.event_id, "422: too large", 1)
    assert [message.id for message in await outbox.due(1)] == [second.id]


async def test_a_delivered_event_can_not_be_parked(outbox: Outbox) -> None:
    [first] = await outbox.due(1)
    await outbox.delivered([first.id])
    await outbox.park(first.id, "too late")
    assert await outbox.parked(10) == []


async def test_a_retried_event_is_owed_again_with_the_same_id(outbox: Outbox) -> None:
    first, second = await outbox.due(2)
    await outbox.park(first.id, "422")
    await outbox.park(second.id, "422")
    assert await outbox.retry([second.id, 999_999]) == [second.id]
    [again] = await outbox.due(1)
    assert (again.event_id, again.attempts) == (second.event_id, 0)


async def test_all_parked_events_are_retried_at_once(outbox: Outbox) -> None:
    ids = [message.id for message in await outbox.due(3)]
    for parked in ids:
        await outbox.park(parked, "422")
    assert await outbox.retry(None) == ids
    assert await outbox.parked(10) == []


async def test_the_backlog_counts_what_is_owed_and_what_is_parked(outbox: Outbox) -> None:
    first, second = await outbox.due(2)
    await outbox.park(first.id, "422")
    await outbox.delivered([second.id])
    backlog = await outbox.backlog()
    assert (backlog.due, backlog.parked) == (4, 1)
    assert backlog.oldest_due_seconds > 0


async def test_an_empty_backlog_has_no_age(outbox: Outbox) -> None:
    await outbox.delivered([message.id for message in await outbox.due(100)])
    backlog = await outbox.backlog()
    assert backlog.due == 0
    assert backlog.oldest_due_seconds == pytest.approx(0, abs=0.001)


async def test_clean_up_forgets_old_deliveries_step_by_step_and_nothing_that_is_owed(outbox: Outbox) -> None:
    delivered = [message.id for message in await outbox.due(3)]
    await outbox.delivered(delivered)
    [poison] = await outbox.due(1)
    await outbox.park(poison.id, "422")
    steps = [await outbox.clean_up(timedelta(0), 2) for _ in range(3)]
    assert steps == [2, 1, 0]
    backlog = await outbox.backlog()
    assert (backlog.due, backlog.parked) == (2, 1)


async def test_clean_up_keeps_what_was_delivered_a_short_while_ago(outbox: Outbox) -> None:
    await outbox.delivered([message.id for message in await outbox.due(3)])
    assert await outbox.clean_up(timedelta(days=7), 100) == 0
