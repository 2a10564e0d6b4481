"""A bare Realtime client that shows every frame: for what the real clients hide."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from support.stack import SupabaseStack


class BareSocket:
    """A connection of protocol version *version*; frames are told as dictionaries of its five parts."""

    def __init__(self, connection: ClientConnection, version: str) -> None:
        self._connection = connection
        self._version = version

    async def send(self, topic: str, event: str, payload: Any, ref: str | None = "1") -> None:
        """Send a text frame."""
        frame: Any = {"topic": topic, "event": event, "payload": payload, "ref": ref, "join_ref": "1"}
        if self._version == "2.0.0":
            frame = ["1", ref, topic, event, payload]
        await self._connection.send(msgspec.json.encode(frame).decode())

    async def send_bytes(self, frame: bytes) -> None:
        """Send a binary frame."""
        await self._connection.send(frame)

    async def join(self, topic: str, token: str | None = None, **config: Any) -> dict[str, Any]:
        """Join ``realtime:<topic>``; the payload of the reply."""
        payload = {"config": config, **({"access_token": token} if token else {})}
        await self.send(f"realtime:{topic}", "phx_join", payload)
        reply: dict[str, Any] = (await self.next("phx_reply"))["payload"]
        return reply

    async def next(self, event: str | None = None, seconds: float = 30.0) -> dict[str, Any]:
        """The next frame, which has to be *event* if one is named."""
        async with asyncio.timeout(seconds):
            data = await self._connection.recv()
        frame = _binary(data) if isinstance(data, bytes) else msgspec.json.decode(data)
        if isinstance(frame, list):
            frame = dict(zip(("join_ref", "ref", "topic", "event", "payload"), frame, strict=True))
        assert event in (None, frame["event"]), frame
        told: dict[str, Any] = frame
        return told


def _binary(data: bytes) -> dict[str, Any]:
    """A binary frame of type 4, read by its published layout."""
    kind, topic_size, event_size, meta_size, encoding = data[:5]
    assert kind == 4
    topic, rest = data[5 : 5 + topic_size], data[5 + topic_size :]
    event, rest = rest[:event_size], rest[event_size:]
    meta, payload = rest[:meta_size], rest[meta_size:]
    message = {
        "event": event.decode(),
        "payload": msgspec.json.decode(payload) if encoding == 1 else payload,
        "meta": msgspec.json.decode(meta) if meta else None,
        "binary": True,
    }
    return {"topic": topic.decode(), "event": "broadcast", "payload": message, "ref": None, "join_ref": None}


@asynccontextmanager
async def bare_socket(
    stack: SupabaseStack, version: str = "2.0.0", key: str | None = None
) -> AsyncIterator[BareSocket]:
    """Connect with an API key or a token, by default the publishable key. What nobody reads yet is kept."""
    address = stack.url.replace("http", "ws", 1) + "/realtime/v1/websocket"
    async with connect(
        f"{address}?apikey={key or stack.publishable_key}&vsn={version}", max_queue=None, ping_interval=None
    ) as connection:
        yield BareSocket(connection, version)
