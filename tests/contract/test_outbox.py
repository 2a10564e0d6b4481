"""What every Outbox promises, in memory and on Postgres."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import msgspec
import pytest

from application.realtime.ports import Outbox
from domain.events import BalanceUpdated
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
    """An outbox with six events of two users, who take turns."""
    if place is None:
        yield MemoryOutbox(MemoryDatabase(outbox=list(EVENTS)))
        return
    await owe(place, EVENTS)
    async with create_pool(place.service, 2) as pool:
        yield PostgresOutbox(pool)


async def test_what_is_pending_comes_in_the_order_of_the_commits(outbox: Outbox) -> None:
    assert [message.event_id for message in await outbox.pending(100)] == [event.event_id for event in EVENTS]


async def test_no_more_than_was_asked_for(outbox: Outbox) -> None:
    assert [message.event_id for message in await outbox.pending(2)] == [
        event.event_id for event in EVENTS[:2]
    ]


async def test_the_topics_that_are_passed_over_come_not(outbox: Outbox) -> None:
    topic = EVENTS[0].topic
    messages = await outbox.pending(2, [topic])
    assert [message.event_id for message in messages] == [EVENTS[1].event_id, EVENTS[3].event_id]


async def test_a_message_says_what_the_event_says(outbox: Outbox) -> None:
    [message] = await outbox.pending(1)
    event: BalanceUpdated = EVENTS[0]
    assert (message.topic, message.event, message.attempts) == (
        event.topic,
        "balance_updated",
        0,
    )
    assert msgspec.json.decode(message.payload)["balance"] == "1.00"


async def test_what_was_delivered_is_pending_no_more(outbox: Outbox) -> None:
    first, second, *others = await outbox.pending(100)
    await outbox.delivered([first.id, second.id])
    assert [message.id for message in await outbox.pending(100)] == [message.id for message in others]


async def test_a_failure_is_counted_and_the_event_stays_pending(outbox: Outbox) -> None:
    [first] = await outbox.pending(1)
    await outbox.failed([first.id], "503")
    [again] = await outbox.pending(1)
    assert (again.id, again.attempts) == (first.id, 1)


async def test_a_dead_letter_steps_aside_and_says_why(outbox: Outbox) -> None:
    first, second = await outbox.pending(2)
    await outbox.dead_letter(first.id, "422: too large")
    [dead] = await outbox.dead_letters(10)
    assert (dead.event_id, dead.why, dead.attempts) == (first.event_id, "422: too large", 1)
    assert [message.id for message in await outbox.pending(1)] == [second.id]


async def test_a_delivered_event_can_not_be_dead_lettered(outbox: Outbox) -> None:
    [first] = await outbox.pending(1)
    await outbox.delivered([first.id])
    await outbox.dead_letter(first.id, "too late")
    assert await outbox.dead_letters(10) == []


async def test_a_retried_event_is_pending_again_with_the_same_id(outbox: Outbox) -> None:
    first, second = await outbox.pending(2)
    await outbox.dead_letter(first.id, "422")
    await outbox.dead_letter(second.id, "422")
    assert await outbox.retry([second.id, 999_999]) == [second.id]
    [again] = await outbox.pending(1)
    assert (again.event_id, again.attempts) == (second.event_id, 0)


async def test_all_dead_letters_are_retried_at_once(outbox: Outbox) -> None:
    ids = [message.id for message in await outbox.pending(3)]
    for one in ids:
        await outbox.dead_letter(one, "422")
    assert await outbox.retry(None) == ids
    assert await outbox.dead_letters(10) == []


async def test_the_backlog_counts_what_is_pending_and_what_is_dead_lettered(outbox: Outbox) -> None:
    first, second = await outbox.pending(2)
    await outbox.dead_letter(first.id, "422")
    await outbox.delivered([second.id])
    backlog = await outbox.backlog()
    assert (backlog.pending, backlog.dead_lettered) == (4, 1)
    assert backlog.oldest_pending_seconds > 0


async def test_an_empty_backlog_has_no_age(outbox: Outbox) -> None:
    await outbox.delivered([message.id for message in await outbox.pending(100)])
    backlog = await outbox.backlog()
    assert backlog.pending == 0
    assert backlog.oldest_pending_seconds == pytest.approx(0, abs=0.001)


async def test_clean_up_forgets_old_deliveries_step_by_step_and_nothing_that_is_pending(
    outbox: Outbox,
) -> None:
    delivered = [message.id for message in await outbox.pending(3)]
    await outbox.delivered(delivered)
    [poison] = await outbox.pending(1)
    await outbox.dead_letter(poison.id, "422")
    steps = [await outbox.clean_up(timedelta(0), 2) for _ in range(3)]
    assert steps == [2, 1, 0]
    backlog = await outbox.backlog()
    assert (backlog.pending, backlog.dead_lettered) == (2, 1)


async def test_clean_up_keeps_what_was_delivered_a_short_while_ago(outbox: Outbox) -> None:
    await outbox.delivered([message.id for message in await outbox.pending(3)])
    assert await outbox.clean_up(timedelta(days=7), 100) == 0
