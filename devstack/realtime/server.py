"""What all connections of the project share: subscribers, limits, and the way a broadcast takes."""

from typing import Protocol

from devstack.config import SupabaseConfig
from devstack.keys import SigningKey
from devstack.realtime.authorization import Authorizer
from devstack.realtime.limits import SampledRate, external_size
from devstack.realtime.protocol import Broadcast
from devstack.realtime.tokens import Access, read_access


class Subscriber(Protocol):
    """A joined channel that receives broadcasts."""

    def deliver(self, broadcast: Broadcast) -> None:
        """Take a broadcast; it must not block."""

    def close(self, why: str | None = None) -> None:
        """End; the client is told *why*."""


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
        """What the token allows to act as; see :func:`devstack.realtime.tokens.read_access`."""
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
