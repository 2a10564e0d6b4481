"""How long the relay waits."""

import pytest

from application.realtime.relay_events import Progress
from infrastructure.relay import Pace


class Clock:
    """Seconds, as the test says."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_work_is_followed_by_work() -> None:
    assert Pace(lambda: True).after(Progress.DELIVERED) == 0


@pytest.mark.parametrize(("progress", "longest"), [(Progress.FAILED, 5.0), (Progress.DENIED, 15.0)])
def test_pauses_after_failures_grow_up_to_a_bound_and_never_beyond_it(
    progress: Progress, longest: float
) -> None:
    pace = Pace(lambda: True)
    pauses = [pace.after(progress) for _ in range(50)]
    assert pauses[0] <= 1.0
    assert all(longest / 2 <= pause <= longest for pause in pauses[10:])


def test_pauses_are_not_the_same_for_all() -> None:
    assert len({Pace(lambda: True).after(Progress.FAILED) for _ in range(20)}) > 1


def test_a_success_forgets_the_failures() -> None:
    pace = Pace(lambda: True)
    for _ in range(10):
        pace.after(Progress.FAILED)
    pace.after(Progress.DELIVERED)
    assert pace.after(Progress.FAILED) <= 0.25


def test_without_notifications_it_polls_fast_for_ten_seconds_after_work_and_then_slowly() -> None:
    clock = Clock()
    pace = Pace(lambda: False, clock)
    idle = pace.after(Progress.IDLE)
    pace.after(Progress.DELIVERED)
    busy = pace.after(Progress.IDLE)
    clock.now = 10.1
    assert (idle, busy, pace.after(Progress.IDLE)) == (0.5, 0.1, 0.5)


def test_with_notifications_it_polls_slowly_always() -> None:
    pace = Pace(lambda: True)
    pace.after(Progress.DELIVERED)
    assert pace.after(Progress.IDLE) == 0.5


def test_a_standby_asks_once_a_second() -> None:
    assert Pace(lambda: False).after(Progress.STANDBY) == 1
