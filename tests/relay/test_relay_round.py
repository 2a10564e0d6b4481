"""One round of the relay, on memory."""

from collections.abc import Sequence
from uuid import uuid4

import pytest

from application.realtime.ports import Message
from application.realtime.relay_events import BATCH, Progress
from domain.errors import Unavailable
from support.events import for_each
from support.memory_relay import Scene, fails, refuses

pytestmark = pytest.mark.anyio

ALL = list(range(1, 121))


@pytest.fixture
def scene() -> Scene:
    """A hundred and twenty events of three users."""
    return Scene(for_each([uuid4(), uuid4(), uuid4()], range(1, 41)))


async def test_everything_goes_out_in_order_in_batches_of_fifty(scene: Scene) -> None:
    rounds = [await scene.relay() for _ in range(4)]
    assert rounds == [Progress.DELIVERED, Progress.DELIVERED, Progress.DELIVERED, Progress.IDLE]
    assert scene.publisher.taken == ALL
    assert scene.publisher.batches == [50, 50, 20]


async def test_without_the_lease_nothing_is_read_or_sent(scene: Scene) -> None:
    scene.lease.held = False
    assert await scene.relay() is Progress.STANDBY
    assert scene.publisher.batches == []


async def test_poison_is_found_by_halving_and_parked_alone(scene: Scene) -> None:
    scene.publisher.behaviour = refuses(17, 99)
    while await scene.relay() is not Progress.IDLE:
        pass
    assert [event.id for event in await scene.outbox.parked(10)] == [17, 99]
    assert scene.publisher.taken == [place for place in ALL if place not in {17, 99}]


async def test_a_failure_while_halving_puts_off_only_what_was_not_taken(scene: Scene) -> None:
    answers = iter([refuses(2), refuses(), fails()])

    def behave(messages: Sequence[Message]) -> int | None:
        return next(answers)(messages)

    scene.publisher.behaviour = behave
    assert await scene.relay() is Progress.FAILED
    assert [message.attempts for message in await scene.outbox.due(2)] == [1, 1]
    assert (await scene.outbox.due(1))[0].id == 26


async def test_batches_shrink_with_each_failure_and_grow_with_each_success(scene: Scene) -> None:
    scene.publisher.behaviour = fails()
    for _ in range(7):
        assert await scene.relay() is Progress.FAILED
    scene.publisher.behaviour = refuses()
    for _ in range(4):
        await scene.relay()
    assert scene.publisher.batches == [50, 25, 12, 6, 3, 1, 1, 1, 2, 4, 8]


async def test_a_batch_is_never_larger_than_the_room_that_realtime_tells(scene: Scene) -> None:
    scene.publisher.behaviour = fails(room=7)
    await scene.relay()
    await scene.relay()
    assert scene.publisher.batches == [50, 7]


async def test_no_room_for_more_is_told(scene: Scene) -> None:
    scene.publisher.behaviour = lambda _: 0
    assert await scene.relay() is Progress.NO_ROOM


async def test_a_denial_keeps_the_batch_as_it_is(scene: Scene) -> None:
    scene.publisher.behaviour = fails(denied=True)
    assert [await scene.relay(), await scene.relay()] == [Progress.DENIED, Progress.DENIED]
    assert scene.publisher.batches == [BATCH, BATCH]
    assert (await scene.outbox.backlog()).due == len(ALL)


async def test_what_was_taken_is_settled_later_when_the_database_was_away(scene: Scene) -> None:
    scene.outbox.away = True
    with pytest.raises(Unavailable):
        await scene.relay()
    scene.outbox.away = False
    while await scene.relay() is not Progress.IDLE:
        pass
    assert scene.publisher.taken == ALL


async def test_a_relay_that_loses_its_lease_in_between_stops_at_once(scene: Scene) -> None:
    scene.publisher.behaviour = refuses(120, 1)
    scene.lease.answers = [True, True, False]
    assert await scene.relay() is Progress.STANDBY
    assert scene.publisher.batches == [50]
