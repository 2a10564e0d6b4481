"""Sending by REST: batches, and single messages. A backend publishes this way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from devstack.realtime.authorization import may_send
from devstack.realtime.protocol import Broadcast
from devstack.realtime.server import Realtime
from devstack.realtime.tokens import Access, TokenError

BLANK, INVALID = "can't be blank", "is invalid"
TOO_LARGE = "Payload size exceeds tenant limit"


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a body; without one the response is empty."""

    status: int
    body: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Single:
    """One message as its URL, its headers and its body spell it."""

    topic: str
    event: str
    private: bool
    content_type: str
    body: bytes


ACCEPTED = Answer(202)
UNAUTHORIZED = Answer(401, {"message": "Unauthorized"})
BAD_JSON = Answer(400, {"message": "Bad Request"})


def _too_many(message: str) -> Answer:
    return Answer(429, {"message": message})


def admitted(realtime: Realtime, token: str | None) -> tuple[Answer, Access | None]:
    """Who sends; or, without a good token or while the project is over its rate, the refusal and None."""
    try:
        access = realtime.read_access(token or "")
    except TokenError:
        return UNAUTHORIZED, None
    if realtime.over_message_rate():
        return _too_many("Too many requests"), None
    return ACCEPTED, access


async def send_batch(realtime: Realtime, access: Access, headers: Mapping[str, str], body: bytes) -> Answer:
    """Send every message, or none if one is malformed.

    Private messages on topics that the caller may not send on are dropped, and the answer does not tell.
    """
    try:
        messages = msgspec.json.decode(body, type=dict[str, Any]).get("messages")
    except ValueError:
        return BAD_JSON
    if not isinstance(messages, list):
        return Answer(422, {"errors": {"messages": [BLANK if messages is None else INVALID]}})
    errors = [_errors(realtime, message) for message in messages]
    if any(errors):
        return Answer(422, {"errors": {"messages": errors}})
    if realtime.over_message_rate(more=len(messages)):
        return _too_many("Too many messages to broadcast, please reduce the batch size")
    allowed: dict[str, bool] = {}
    for message in messages:
        topic, private = message["topic"], bool(message.get("private"))
        if private and topic not in allowed:
            allowed[topic] = await may_send(realtime.pool, topic, access, headers)
        if not private or allowed[topic]:
            meta = None if message.get("id") is None else {"id": message["id"]}
            realtime.broadcast(topic, Broadcast(message["event"], message["payload"], meta), private=private)
    return ACCEPTED


def _errors(realtime: Realtime, message: Any) -> dict[str, list[str]]:
    """What is wrong with one message of a batch, by field."""
    if not isinstance(message, dict):
        return {name: [BLANK] for name in ("topic", "event", "payload")}
    kinds: dict[str, type] = {"topic": str, "event": str, "payload": dict}
    found = {}
    for name, kind in kinds.items():
        value = message.get(name)
        if value is None or (isinstance(value, str) and not value.strip()):
            found[name] = [BLANK]
        elif not isinstance(value, kind):
            found[name] = [INVALID]
    for name, optional in (("private", bool), ("id", str)):
        if not isinstance(message.get(name), optional | None):
            found[name] = [INVALID]
    if "payload" not in found and realtime.too_large(message["payload"]):
        found["payload"] = [TOO_LARGE]
    return found


async def send_one(realtime: Realtime, access: Access, headers: Mapping[str, str], single: Single) -> Answer:
    """Send one message, of JSON or of bytes; here a missing permission is told."""
    payload: Any = single.body
    if single.content_type == "application/json":
        try:
            payload = msgspec.json.decode(single.body, type=dict[str, Any])
        except msgspec.ValidationError:
            return Answer(422, {"errors": {"payload": [INVALID]}})
        except ValueError:
            return BAD_JSON
    elif single.content_type != "application/octet-stream":
        return Answer(415, {"message": "Unsupported Media Type"})
    if realtime.too_large(payload):
        return Answer(422, {"errors": {"payload": [TOO_LARGE]}})
    if single.private and not await may_send(realtime.pool, single.topic, access, headers):
        return Answer(403, {"message": "Unauthorized"})
    realtime.broadcast(single.topic, Broadcast(single.event, payload, as_binary=True), private=single.private)
    return ACCEPTED
