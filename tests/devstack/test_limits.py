"""The measures behind Realtime's limits."""

from typing import Any

import pytest

from devstack.realtime.limits import RollingRate, external_size


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


def test_a_rate_is_the_average_of_the_last_minute() -> None:
    now = 1_000.0
    rate = RollingRate(lambda: now)
    rate.add(60)
    now += 30
    rate.add(30)
    assert rate.per_second() == 1.5
    now += 30
    assert rate.per_second() == 0.5
    now += 30
    assert rate.per_second() == 0.0
