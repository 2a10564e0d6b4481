"""One websocket connection and the channels on it."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from devstack.keys import Access, TokenError
from devstack.realtime.channel import TOPIC_PREFIX, Channel, ChannelConfig, JoinRefusedError
from devstack.realtime.protocol import Broadcast, Frame, FrameError, decode, encode, encode_broadcast
from devstack.realtime.server import Realtime

logger = logging.getLogger(__name__)


class Connection:
    """Reads the client's frames one by one; what it has to say waits in :attr:`outgoing`."""

    def __init__(self, realtime: Realtime, access: Access, headers: Mapping[str, str], version: str) -> None:
        self.headers = headers
        self.outgoing: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._realtime = realtime
        self._access = access
        self._version = version
        self._channels: dict[str, Channel] = {}

    def send(self, frame: Frame) -> None:
        """Queue a frame for the client."""
        self.outgoing.put_nowait(encode(frame, self._version))

    def send_broadcast(self, topic: str, broadcast: Broadcast) -> None:
        """Queue a broadcast for the client, unless its protocol version has no form for it."""
        encoded = encode_broadcast(topic, broadcast, self._version)
        if encoded is not None:
            self.outgoing.put_nowait(encoded)

    def forget(self, topic: str) -> None:
        """The channel of *topic* has ended."""
        self._channels.pop(topic, None)

    def close(self) -> None:
        """The client is gone: so are its channels."""
        for channel in self._channels.values():
            channel.detach()
        self._channels.clear()

    async def receive(self, data: str | bytes) -> None:
        """Act on one message of the client."""
        try:
            frame = decode(data, self._version)
        except FrameError as error:
            logger.warning("A frame that cannot be read is ignored: %s", error)
            return
        if frame.topic == "phoenix":
            self._reply(frame, "ok", {})
        elif frame.event == "phx_join":
            await self._join(frame)
        else:
            await self._to_channel(frame)

    def _reply(self, frame: Frame, status: str, response: dict[str, Any]) -> None:
        payload = {"status": status, "response": response}
        self.send(Frame(frame.topic, "phx_reply", payload, frame.ref, frame.join_ref))

    async def _join(self, frame: Frame) -> None:
        topic = frame.topic.removeprefix(TOPIC_PREFIX)
        if topic == frame.topic:
            self._reply(frame, "error", {"reason": "unmatched topic"})
            return
        older = self._channels.get(topic)
        try:
            channel = await self._admitted(topic, frame)
        except (JoinRefusedError, TokenError) as error:
            await asyncio.sleep(self._realtime.limits.join_refusal_seconds)
            self._reply(frame, "error", {"reason": str(error)})
            return
        changes = channel.config.postgres_changes
        numbered = [{**change, "id": number} for number, change in enumerate(changes, 1)]
        self._reply(frame, "ok", {"postgres_changes": numbered})
        if older is not None:  # the newer join replaces the older, which ends after the newer one's answer
            older.close()
        self._channels[topic] = channel
        if numbered:
            channel.system("The local stand-in does not watch tables", "postgres_changes")
        if channel.config.presence:
            channel.say("presence_state", {})

    async def _admitted(self, topic: str, frame: Frame) -> Channel:
        if not topic:
            raise JoinRefusedError("TopicNameRequired: You must provide a topic name")
        self._check_limits()
        payload = frame.payload if isinstance(frame.payload, dict) else {}
        config = payload.get("config")
        channel = Channel(
            self._realtime,
            self,
            topic,
            ChannelConfig.read(config if isinstance(config, dict) else {}),
            self._access_for(payload.get("access_token")),
            frame.join_ref,
        )
        await channel.admit()
        return channel

    def _check_limits(self) -> None:
        limits, joins = self._realtime.limits, self._realtime.joins
        if len(self._channels) >= limits.channels_per_connection:
            raise JoinRefusedError("ChannelRateLimitReached: Too many channels")
        joins.add()
        if joins.per_second() > limits.joins_per_second:
            raise JoinRefusedError("ClientJoinRateLimitReached: Too many joins per second")

    def _access_for(self, token: Any) -> Access:
        """A join's own token, or the handshake's when it has none (an API key is none)."""
        own = isinstance(token, str) and token and not token.startswith("sb_")
        return self._realtime.read_access(token if own else self._access.token)

    async def _to_channel(self, frame: Frame) -> None:
        channel = self._channels.get(frame.topic.removeprefix(TOPIC_PREFIX))
        if frame.event == "phx_leave":
            self._reply(frame, "ok", {})
            if channel is not None:
                channel.close()
        elif channel is None:
            self._reply(frame, "error", {"reason": "unmatched topic"})
        elif frame.event == "broadcast":
            await channel.send(_broadcast(frame.payload), frame.ref)
        elif frame.event == "access_token" and isinstance(frame.payload, dict):
            await channel.change_token(frame.payload.get("access_token"))
        elif frame.event == "presence":
            channel.reply(frame.ref, "error", {"reason": "The local stand-in keeps no presence"})


def _broadcast(payload: Any) -> Broadcast:
    """What a client broadcasts, be it from a text frame or a binary one."""
    if isinstance(payload, Broadcast):
        return replace(payload, meta=None)  # what a client says about its message is not passed on
    given = payload if isinstance(payload, dict) else {}
    return Broadcast(str(given.get("event", "")), given.get("payload", {}), given.get("meta"))
