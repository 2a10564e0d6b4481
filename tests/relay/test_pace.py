"""How long the relay waits: between rounds, and between messages."""

import pytest

from application.realtime.pace import Pace, Setback
from application.realtime.ports import Fault
from application.realtime.relay_events import RoundResult
from infrastructure.relay import PollSchedule


class Clock:
    """Seconds, as the test says."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_work_is_followed_by_work() -> None:
    assert PollSchedule(lambda: True).after(RoundResult.DELIVERED) == 0


@pytest.mark.parametrize(("result", "longest"), [(RoundResult.FAILED, 5.0), (RoundResult.DENIED, 15.0)])
def test_pauses_after_failures_grow_up_to_a_bound_and_never_beyond_it(
    result: RoundResult, longest: float
) -> None:
    schedule = PollSchedule(lambda: True)
    pauses = [schedule.after(result) for _ in range(50)]
    assert pauses[0] <= 1.0
    assert all(longest / 2 <= pause <= longest for pause in pauses[10:])


def test_pauses_are_not_the_same_for_all() -> None:
    assert len({PollSchedule(lambda: True).after(RoundResult.FAILED) for _ in range(20)}) > 1


def test_a_success_forgets_the_failures() -> None:
    schedule = PollSchedule(lambda: True)
    for _ in range(10):
        schedule.after(RoundResult.FAILED)
    schedule.after(RoundResult.DELIVERED)
    assert schedule.after(RoundResult.FAILED) <= 0.25


def test_without_notifications_it_polls_fast_for_ten_seconds_after_work_and_then_slowly() -> None:
    clock = Clock()
    schedule = PollSchedule(lambda: False, clock)
    idle = schedule.after(RoundResult.IDLE)
    schedule.after(RoundResult.DELIVERED)
    busy = schedule.after(RoundResult.IDLE)
    clock.now = 10.1
    assert (idle, busy, schedule.after(RoundResult.IDLE)) == (0.5, 0.1, 0.5)


def test_with_notifications_it_polls_slowly_always() -> None:
    schedule = PollSchedule(lambda: True)
    schedule.after(RoundResult.DELIVERED)
    assert schedule.after(RoundResult.IDLE) == 0.5


def test_a_standby_asks_once_a_second() -> None:
    assert PollSchedule(lambda: False).after(RoundResult.STANDBY) == 1


class Timeline(Clock):
    """A clock that sleeping moves."""

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def turns(pace: Pace, clock: Timeline, count: int) -> list[float]:
    """When each of so many messages was sent; each counts three."""
    times = []
    for _ in range(count):
        await pace.turn(3)
        times.append(clock.now)
    return times


def most_in(times: list[float], seconds: float) -> int:
    """The most messages of any stretch of so many seconds."""
    return max(sum(start <= at < start + seconds for at in times) for start in times)


def paced(share: float, limit: int | None) -> tuple[Pace, Timeline]:
    clock = Timeline()
    pace = Pace(share, clock, clock.sleep)
    pace.learn(limit)
    return pace, clock


@pytest.mark.anyio
@pytest.mark.parametrize("limit", [100, 500, 2_500])
async def test_a_share_of_the_plan_is_used_evenly_from_the_first_second_on(limit: int) -> None:
    pace, clock = paced(0.6, limit)
    clock.now += 60  # what was not used is not saved up
    times = [at - 60 for at in await turns(pace, clock, limit)]
    allowed = limit * 0.6 / 3
    assert most_in(times, 1) <= allowed * 1.1 + 1
    assert times[-1] == pytest.approx(limit / allowed, rel=0.1)


@pytest.mark.anyio
async def test_a_lone_payment_waits_for_nothing_on_the_smallest_plan() -> None:
    pace, clock = paced(0.6, 100)
    clock.now += 10
    assert await turns(pace, clock, 2) == pytest.approx([10, 10])


@pytest.mark.anyio
async def test_without_a_limit_nothing_waits() -> None:
    pace, clock = paced(0.6, None)
    assert set(await turns(pace, clock, 1_000)) == {0}


@pytest.mark.anyio
async def test_a_429_halves_the_pace_and_a_minute_doubles_it() -> None:
    pace, clock = paced(0.6, 500)
    pace.throttled()
    clock.now += 2
    pace.throttled()
    slow = pace.per_second()
    clock.now += 61
    await pace.turn(3)
    middle = pace.per_second()
    clock.now += 61
    await pace.turn(3)
    assert (slow, middle, pace.per_second()) == (75, 150, 300)


def test_sixteen_answers_429_at_once_halve_the_pace_once() -> None:
    pace, clock = paced(0.6, 500)
    for _ in range(16):
        pace.throttled()
        clock.now += 0.05
    assert pace.per_second() == 150


def test_a_refused_message_waits_twice_as_long_each_time_but_never_longer_than_a_quarter_minute() -> None:
    setback, waits = Setback(since=100.0, accepted=0), []
    for _ in range(6):
        setback.fail(now=100.0, attempts=0)
        waits.append(setback.retry_at - 100.0)

    assert waits == [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]


def test_what_failed_often_before_is_not_tried_as_if_it_were_new() -> None:
    setback = Setback(since=100.0, accepted=0)

    setback.fail(now=100.0, attempts=7)

    assert setback.retry_at == 115.0


@pytest.mark.parametrize(
    ("fault", "times", "seconds"), [(Fault.MESSAGE, 3, 2.0), (Fault.PASSING, 5, 40.0), (Fault.KEY, 5, 40.0)]
)
def test_a_message_is_set_aside_only_after_it_was_refused_alone_often_and_long_enough(
    fault: Fault, times: int, seconds: float
) -> None:
    setback = Setback(since=100.0, accepted=0, alone=times)

    assert setback.is_enough(fault, 100.0 + seconds)
    assert not setback.is_enough(fault, 99.9 + seconds)
    setback.alone = times - 1
    assert not setback.is_enough(fault, 100.0 + seconds)
