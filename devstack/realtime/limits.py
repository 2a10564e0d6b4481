"""How much is too much: message rates and payload sizes, measured as the real server does."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

SAMPLES = 12
IDLE_SECONDS = 300


class SampledRate:
    """Events a second as the real server's counters tell it.

    They are sampled every *every* seconds, and averaged over the samples that there are, at most twelve. So a fresh
    counter knows nothing of a burst until its first sample, and then counts it against few seconds. A counter that
    nobody used for five minutes is fresh again.
    """

    def __init__(self, every: float = 5.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._every = every
        self._clock = clock
        self._samples: deque[int] = deque(maxlen=SAMPLES)
        self._count = 0
        self._next: float | None = None
        self._used = clock()

    def add(self, count: int = 1) -> None:
        """Count events that happen now."""
        self._sample()
        self._used = self._clock()
        self._count += count

    def per_second(self) -> float:
        """The average of the samples; what came since the last one is not in it."""
        self._sample()
        return sum(self._samples) / len(self._samples) / self._every if self._samples else 0.0

    def _sample(self) -> None:
        now = self._clock()
        if self._next is None or now - self._used > IDLE_SECONDS:
            self._samples.clear()
            self._count, self._next, self._used = 0, now + self._every, now
        while self._next <= now:
            self._samples.append(self._count)
            self._count, self._next = 0, self._next + self._every


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
