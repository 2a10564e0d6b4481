"""One joined channel of one connection."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from devstack.keys import Access, TokenError
from devstack.realtime.authorization import ProbeFailedError
from devstack.realtime.protocol import Broadcast, Frame, truthy
from devstack.realtime.server import Realtime

TOPIC_PREFIX = "realtime:"
LONGEST_TRUST = 300.0
"""Seconds after which a token is looked at again, even if it has longer to live."""


_PROBE_FAULTS = {
    "Missing messages partition": (
        "MissingPartition: Realtime was unable to find the expected messages partition"
    ),
    "Tenant database unavailable": (
        "UnableToConnectToProject: Realtime was unable to connect to the project database"
    ),
}
"""What a join hears of a probe that failed. Any other failure reads as if the policies had said no."""


class JoinRefusedError(Exception):
    """The join is refused; the text is the reply's reason."""


class Socket(Protocol):
    """What a channel needs of its connection."""

    headers: Mapping[str, str]

    def send(self, frame: Frame) -> None:
        """Queue a frame for the client."""

    def send_broadcast(self, topic: str, broadcast: Broadcast) -> None:
        """Queue a broadcast for the client, in the form that its protocol version knows."""

    def forget(self, topic: str) -> None:
        """The channel of *topic* has ended."""


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """What a client asked for when it joined."""

    private: bool
    receive_own: bool
    acknowledge: bool
    presence: bool
    postgres_changes: list[Any]

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> "ChannelConfig":
        """The ``config`` of a join; what is absent is off."""
        broadcast, presence = _object(config.get("broadcast")), _object(config.get("presence"))
        changes = config.get("postgres_changes")
        return cls(
            private=truthy(config.get("private")),
            receive_own=truthy(broadcast.get("self")),
            acknowledge=truthy(broadcast.get("ack")),
            presence=truthy(presence.get("enabled")),
            postgres_changes=[change for change in changes if isinstance(change, dict)]
            if isinstance(changes, list)
            else [],
        )


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


class Channel:
    """A client's subscription to one topic, for as long as its token and the policies allow."""

    def __init__(
        self,
        realtime: Realtime,
        socket: Socket,
        topic: str,
        config: ChannelConfig,
        access: Access,
        join_ref: str | None,
    ) -> None:
        self.topic = topic
        self.config = config
        self._realtime = realtime
        self._socket = socket
        self._access = access
        self._join_ref = join_ref
        self._may_send: bool | None = None
        self._recheck: asyncio.TimerHandle | None = None

    @property
    def wire_topic(self) -> str:
        """The topic as frames spell it."""
        return TOPIC_PREFIX + self.topic

    async def admit(self) -> None:
        """Subscribe, if the topic is public or the policies let the user receive on it.

        Raises:
            JoinRefusedError: they do not, or nobody knows.
        """
        if not self.config.private and self._realtime.config.private_channels_only:
            raise JoinRefusedError("PrivateOnly: This project only allows private channels")
        try:
            receives = await self._may_receive(self._access)
        except ProbeFailedError as failed:
            if reason := _PROBE_FAULTS.get(str(failed)):
                raise JoinRefusedError(reason) from failed
            receives = None
        if receives is None:
            text = "You do not have permissions to read from this Channel topic"
            raise JoinRefusedError(f"Unauthorized: {text}: {self.topic}")
        if receives:
            self._realtime.subscribe(self.topic, self, private=self.config.private)
        self._look_again_in_time()

    async def _may_receive(self, access: Access) -> bool | None:
        """Whether broadcasts may be received; None if nothing at all may."""
        if not self.config.private:
            return True
        readable = await self._realtime.authorizer.may_read(
            self.topic, access, self._socket.headers, presence=self.config.presence
        )
        return readable.broadcast if readable.broadcast or readable.presence else None

    def deliver(self, broadcast: Broadcast) -> None:
        """Pass a broadcast on to the client."""
        self._socket.send_broadcast(self.wire_topic, broadcast)

    async def send(self, broadcast: Broadcast, ref: str | None) -> None:
        """Broadcast what the client sends; without the right to, or too large, it is dropped without a word.

        Also a channel that asked for acknowledgements hears nothing of a message that it may not send.
        """
        realtime = self._realtime
        if realtime.over_message_rate():
            self.close("Too many messages per second")
            return
        fits = not realtime.too_large(broadcast.payload)
        if fits and not await self._allowed_to_send():
            return
        if fits:
            skip = None if self.config.receive_own else self
            realtime.broadcast(self.topic, broadcast, private=self.config.private, skip=skip)
        if self.config.acknowledge:
            self.reply(ref, "ok" if fits else "error", {})

    async def _allowed_to_send(self) -> bool:
        if not self.config.private:
            return True
        if self._may_send is None:
            try:
                self._may_send = await self._realtime.authorizer.may_send(
                    self.topic, self._access, self._socket.headers
                )
            except ProbeFailedError:
                return False
        return self._may_send

    async def change_token(self, token: Any) -> None:
        """Go on with a new token, or end if it opens nothing here. An API key or the same one is ignored."""
        if not isinstance(token, str) or token.startswith("sb_") or token == self._access.token:
            return
        try:
            access = self._realtime.read_access(token)
        except TokenError as error:
            self.close(error.text)
            return
        try:
            allowed = await self._may_receive(access)
        except ProbeFailedError:
            allowed = None
        if allowed is None:
            self.close(f"You no longer have permission to read from this Channel topic: {self.topic}")
            return
        self._access, self._may_send = access, None
        self._look_again_in_time()

    def _look_again_in_time(self) -> None:
        if self._recheck is not None:
            self._recheck.cancel()
        wait = max(min(LONGEST_TRUST, self._access.seconds_left()), 0.01)
        self._recheck = asyncio.get_running_loop().call_later(wait, self._look_again)

    def _look_again(self) -> None:
        try:
            self._realtime.read_access(self._access.token)
        except TokenError as error:
            self.close(error.text)
        else:
            self._look_again_in_time()

    def reply(self, ref: str | None, status: str, response: dict[str, Any]) -> None:
        """Answer the client's message *ref*."""
        payload = {"status": status, "response": response}
        self._socket.send(Frame(self.wire_topic, "phx_reply", payload, ref, self._join_ref))

    def say(self, event: str, payload: dict[str, Any], ref: str | None = None) -> None:
        """Tell the client something that it did not ask for."""
        self._socket.send(Frame(self.wire_topic, event, payload, ref, self._join_ref))

    def system(self, message: str, extension: str = "system") -> None:
        """Tell the client that something went wrong."""
        payload = {"extension": extension, "status": "error", "message": message, "channel": self.topic}
        self.say("system", payload)

    def close(self, why: str | None = None) -> None:
        """End the channel; the client is told *why* if the server ends it."""
        self.detach()
        self._socket.forget(self.topic)
        if why is not None:
            self.system(why)
        self.say("phx_close", {}, self._join_ref)

    def detach(self) -> None:
        """Receive nothing more, and say nothing about it: the connection is gone."""
        if self._recheck is not None:
            self._recheck.cancel()
        self._realtime.unsubscribe(self.topic, self, private=self.config.private)
