"""How much is too much: message rates and payload sizes, measured as the real server does."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

BUCKET_SECONDS, BUCKETS = 5, 12
WINDOW_SECONDS = BUCKET_SECONDS * BUCKETS


class RollingRate:
    """Events a second, averaged over the last minute in buckets of five seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: deque[tuple[int, int]] = deque(maxlen=BUCKETS)

    def add(self, count: int = 1) -> None:
        """Count events that happen now."""
        bucket = int(self._clock() / BUCKET_SECONDS)
        if self._buckets and self._buckets[-1][0] == bucket:
            bucket, before = self._buckets.pop()
            count += before
        self._buckets.append((bucket, count))

    def per_second(self) -> float:
        """The average rate of the last minute."""
        oldest = int(self._clock() / BUCKET_SECONDS) - BUCKETS
        return sum(count for bucket, count in self._buckets if bucket > oldest) / WINDOW_SECONDS


def external_size(payload: Any) -> int:
    """The bytes that *payload* takes in Erlang's external term format, which the payload limit counts."""
    return 1 + _term_size(payload)


def _term_size(value: Any) -> int:
    if value is None or isinstance(value, bool):
        return 2 + len({None: "nil", True: "true", False: "false"}[value])
    if isinstance(value, str | bytes):
        return 5 + len(value if isinstance(value, bytes) else value.encode())
    if isinstance(value, dict):
        return 5 + sum(_term_size(key) + _term_size(item) for key, item in value.items())
    if isinstance(value, list):
        return 6 + sum(map(_term_size, value)) if value else 1
    return _number_size(value)


def _number_size(number: float) -> int:
    if isinstance(number, float):
        return 9
    if 0 <= number <= 255:
        return 2
    if -(2**31) <= number < 2**31:
        return 5
    return 3 + (abs(number).bit_length() + 7) // 8
