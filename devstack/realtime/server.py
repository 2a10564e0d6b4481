"""What all connections of the project share: subscribers, limits, and the way a broadcast takes.

Message rates and payload sizes are measured as the real server does.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from devstack.config import SupabaseConfig
from devstack.keys import Access, SigningKey, read_access
from devstack.realtime.authorization import Authorizer
from devstack.realtime.protocol import Broadcast

SAMPLES = 12
IDLE_SECONDS = 300


class Subscriber(Protocol):
    """A joined channel that receives broadcasts."""

    def deliver(self, broadcast: Broadcast) -> None:
        """Take a broadcast; it must not block."""

    def close(self, why: str | None = None) -> None:
        """End; the client is told *why*."""


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


class Realtime:
    """The Realtime service of one project. Private and public channels of one topic never meet."""

    def __init__(self, config: SupabaseConfig, key: SigningKey) -> None:
        self.config = config
        self.limits = config.realtime
        self.authorizer = Authorizer(config.database_url, config.realtime.probe_seconds)
        self.connections = 0
        self.messages = SampledRate(self.limits.sample_seconds)
        self.requests = SampledRate(self.limits.sample_seconds)
        self.joins = SampledRate(self.limits.sample_seconds)
        self._key = key
        self._subscribers: dict[tuple[str, bool], set[Subscriber]] = {}

    def read_access(self, token: str) -> Access:
        """What the token allows to act as; see :func:`devstack.keys.read_access`."""
        return read_access(self._key, token)

    def subscribe(self, topic: str, subscriber: Subscriber, *, private: bool) -> None:
        """From now on *subscriber* receives what is sent on the topic."""
        self._subscribers.setdefault((topic, private), set()).add(subscriber)

    def unsubscribe(self, topic: str, subscriber: Subscriber, *, private: bool) -> None:
        """*subscriber* receives nothing more; it need not have been subscribed."""
        subscribers = self._subscribers.get((topic, private), set())
        subscribers.discard(subscriber)
        if not subscribers:
            self._subscribers.pop((topic, private), None)

    def broadcast(
        self, topic: str, broadcast: Broadcast, *, private: bool, skip: Subscriber | None = None
    ) -> None:
        """Hand a broadcast to every subscriber but *skip*; sends and deliveries both count.

        Over the project's rate it is the receivers' channels that are closed, after this last broadcast.
        """
        receivers = [one for one in self._subscribers.get((topic, private), ()) if one is not skip]
        self.messages.add(1 + len(receivers))
        for subscriber in receivers:
            subscriber.deliver(broadcast)
            if self.over_message_rate():
                subscriber.close("Too many messages per second")

    def too_large(self, payload: object) -> bool:
        """Whether a payload is over the project's limit."""
        return external_size(payload) > self.limits.payload_bytes

    def over_message_rate(self) -> bool:
        """Whether the project's rate of messages has reached its limit, as far as the last sample knows."""
        return self.messages.per_second() >= self.limits.messages_per_second


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
