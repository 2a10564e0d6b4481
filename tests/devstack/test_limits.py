"""The measures behind Realtime's limits."""

from typing import Any

import pytest

from devstack.realtime.server import SampledRate, external_size


@pytest.mark.parametrize(
    ("payload", "size"),
    [
        ({}, 6),
        ({"a": "é"}, 1 + 5 + 6 + 7),
        ([1, 256, -1, 1.5], 1 + 6 + 2 + 5 + 5 + 9),
        ([], 2),
        ([True, None, False], 1 + 6 + 6 + 5 + 7),
        (2**31, 1 + 3 + 4),
        (b"\x00\x01", 1 + 5 + 2),
    ],
)
def test_payloads_are_measured_as_erlang_terms(payload: Any, size: int) -> None:
    assert external_size(payload) == size


class Clock:
    """Seconds, as the test says."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_shows_with_the_next_sample_and_counts_against_few_seconds() -> None:
    clock = Clock()
    rate = SampledRate(5, clock)
    rate.add(500)
    told = [rate.per_second()]
    for _ in range(3):
        clock.now += 5
        told.append(rate.per_second())
    assert told == pytest.approx([0, 100, 50, 33.333], rel=1e-4)


def test_a_minute_of_samples_is_averaged() -> None:
    clock = Clock()
    rate = SampledRate(5, clock)
    rate.add(600)
    clock.now += 60
    before = rate.per_second()
    clock.now += 5
    assert (before, rate.per_second()) == (10, 0)


def test_a_counter_that_nobody_used_for_five_minutes_is_fresh() -> None:
    clock = Clock()
    rate = SampledRate(5, clock)
    rate.add(10)
    clock.now += 301
    rate.add(500)
    clock.now += 5
    assert rate.per_second() == 100
