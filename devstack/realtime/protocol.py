"""Frames of the Phoenix channel protocol as Realtime speaks it: 1.0.0 (objects), 2.0.0 (arrays, binary)."""

from dataclasses import dataclass
from typing import Any

import msgspec

V1, V2 = "1.0.0", "2.0.0"
USER_BROADCAST_PUSH, USER_BROADCAST = 3, 4
BINARY_ENCODING, JSON_ENCODING = 0, 1


class FrameError(ValueError):
    """What came is no frame of the protocol version in use."""


class Frame(msgspec.Struct):
    """One message in either direction."""

    topic: str
    event: str
    payload: Any = {}
    ref: str | None = None
    join_ref: str | None = None


@dataclass(frozen=True, slots=True)
class Broadcast:
    """A broadcast on its way to subscribers.

    *payload* is bytes if it was sent as such. With *as_binary* a client of version 2 gets a binary frame.
    *meta* carries the message's id, if it has one.
    """

    event: str
    payload: Any
    meta: dict[str, Any] | None = None
    as_binary: bool = False


def decode(data: str | bytes, version: str) -> Frame:
    """The frame that a client sent; a binary push becomes a ``broadcast`` frame with a Broadcast in it.

    Raises:
        FrameError: it is none.
    """
    try:
        if isinstance(data, bytes):
            return _decode_push(data)
        if version == V1:
            return msgspec.json.decode(data, type=Frame)
        join_ref, ref, topic, event, payload = msgspec.json.decode(data, type=list[Any])
        return msgspec.convert([topic, event, payload, ref, join_ref], type=_FrameArray).frame()
    except (ValueError, IndexError) as error:
        raise FrameError(str(error)) from error


class _FrameArray(msgspec.Struct, array_like=True):
    topic: str
    event: str
    payload: Any
    ref: str | None
    join_ref: str | None

    def frame(self) -> Frame:
        return Frame(self.topic, self.event, self.payload, self.ref, self.join_ref)


def _decode_push(data: bytes) -> Frame:
    kind, join_ref_size, ref_size, topic_size, event_size, meta_size, encoding = data[:7]
    if kind != USER_BROADCAST_PUSH:
        raise FrameError(f"binary frames of type {kind} are not for clients to send")
    parts, offset = [], 7
    for size in (join_ref_size, ref_size, topic_size, event_size, meta_size):
        parts.append(data[offset : offset + size])
        offset += size
    join_ref, ref, topic, event = (part.decode() for part in parts[:4])
    meta = msgspec.json.decode(parts[4]) if parts[4] else None
    payload = msgspec.json.decode(data[offset:]) if encoding == JSON_ENCODING else data[offset:]
    broadcast = Broadcast(event, payload, meta, as_binary=True)
    return Frame(topic, "broadcast", broadcast, ref or None, join_ref or None)


def encode(frame: Frame, version: str) -> str:
    """The text of a frame for a client."""
    if version == V1:
        return msgspec.json.encode(frame).decode()
    row = [frame.join_ref, frame.ref, frame.topic, frame.event, frame.payload]
    return msgspec.json.encode(row).decode()


def encode_broadcast(topic: str, broadcast: Broadcast, version: str) -> str | bytes | None:
    """The broadcast for a subscriber; None for bytes that a client of version 1 cannot be told."""
    is_bytes = isinstance(broadcast.payload, bytes)
    if version == V2 and broadcast.as_binary:
        return _encode_user_broadcast(topic, broadcast)
    if is_bytes:
        return None
    payload = {"type": "broadcast", "event": broadcast.event, "payload": broadcast.payload}
    if broadcast.meta:
        payload["meta"] = broadcast.meta
    return encode(Frame(topic, "broadcast", payload), version)


def _encode_user_broadcast(topic: str, broadcast: Broadcast) -> bytes:
    is_bytes = isinstance(broadcast.payload, bytes)
    payload = broadcast.payload if is_bytes else msgspec.json.encode(broadcast.payload)
    meta = msgspec.json.encode(broadcast.meta) if broadcast.meta else b""
    parts = (topic.encode(), broadcast.event.encode(), meta)
    encoding = BINARY_ENCODING if is_bytes else JSON_ENCODING
    return b"".join([bytes([USER_BROADCAST, *map(len, parts), encoding]), *parts, payload])


def truthy(value: Any) -> bool:
    """A boolean of a join's config; some clients spell it as a string."""
    return value is True or value == "true"
