"""Sending by REST: batches, and single messages. A backend publishes this way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from devstack.keys import Access, TokenError
from devstack.realtime.authorization import ProbeFailedError
from devstack.realtime.protocol import Broadcast
from devstack.realtime.server import Realtime

BLANK, INVALID = "can't be blank", "is invalid"
TOO_LARGE, TAKEN = "Payload size exceeds tenant limit", "has already been taken"
OVER_RATE = "You have exceeded your rate limit"


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
    """Who sends; or, without a good token or with too many requests, the refusal and None."""
    try:
        access = realtime.read_access(token or "")
    except TokenError:
        return UNAUTHORIZED, None
    realtime.requests.add()
    if realtime.requests.per_second() >= realtime.limits.requests_per_second:
        return _too_many("Too many requests"), None
    return ACCEPTED, access


async def send_batch(realtime: Realtime, access: Access, headers: Mapping[str, str], body: bytes) -> Answer:
    """Send every message, or none if one is malformed.

    Private messages go out topic by topic, in the order of the topics' names (up to 32 of them, as on the real
    server), after one probe for each. Where the caller may not send, or the probe fails, a topic's messages are
    dropped, and the answer does not tell: not to the secret key either.
    """
    try:
        messages: Any = msgspec.json.decode(body, type=dict[str, Any]).get("messages")
    except ValueError:
        return BAD_JSON
    if refused := _refused(realtime, messages):
        return refused
    if over := _over_rate(realtime, len(messages)):
        return over
    for message in messages:
        if not message.get("private"):
            _send(realtime, message, private=False)
    await _send_private(realtime, access, headers, [one for one in messages if one.get("private")])
    return ACCEPTED


async def _send_private(
    realtime: Realtime, access: Access, headers: Mapping[str, str], messages: list[Any]
) -> None:
    topics: dict[str, list[Any]] = {}
    for message in messages:
        topics.setdefault(message["topic"], []).append(message)
    for topic in sorted(topics):
        if await _may_send(realtime, topic, access, headers):
            for message in topics[topic]:
                _send(realtime, message, private=True)


def _over_rate(realtime: Realtime, count: int) -> Answer | None:
    rate, limit = realtime.messages.per_second(), realtime.limits.messages_per_second
    if rate > limit:
        return _too_many(OVER_RATE)
    if rate + count > limit:
        return _too_many("Too many messages to broadcast, please reduce the batch size")
    return None


async def _may_send(realtime: Realtime, topic: str, access: Access, headers: Mapping[str, str]) -> bool:
    try:
        return await realtime.authorizer.may_send(topic, access, headers)
    except ProbeFailedError:
        return False


def _send(realtime: Realtime, message: Mapping[str, Any], *, private: bool) -> None:
    meta = None if message.get("id") is None else {"id": message["id"]}
    broadcast = Broadcast(message["event"], message["payload"], meta)
    realtime.broadcast(message["topic"], broadcast, private=private)


def _refused(realtime: Realtime, messages: Any) -> Answer | None:
    """The answer to a batch that is none, or that holds a message that is none."""
    if not messages:
        return Answer(422, {"errors": {"messages": [BLANK]}})
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        return Answer(422, {"errors": {"messages": [INVALID]}})
    errors = [_errors(realtime, message) for message in messages]
    seen: set[str] = set()
    for message, found in zip(messages, errors, strict=True):
        if isinstance(one := message.get("id"), str):
            if one in seen:
                found["id"] = [TAKEN]
            seen.add(one)
    return Answer(422, {"errors": {"messages": errors}}) if any(errors) else None


def _errors(realtime: Realtime, message: Mapping[str, Any]) -> dict[str, list[str]]:
    """What is wrong with one message of a batch, by field."""
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
    """Send one message, of JSON or of bytes: the answer says what became of it.

    A missing permission is 403, and a probe that failed is 422 with a text of its own.
    """
    payload = _payload(single)
    if isinstance(payload, Answer):
        return payload
    if realtime.too_large(payload):
        return Answer(422, {"errors": {"payload": [TOO_LARGE]}})
    if realtime.over_message_rate():
        return _too_many(OVER_RATE)
    if single.private:
        try:
            allowed = await realtime.authorizer.may_send(single.topic, access, headers)
        except ProbeFailedError as failed:
            return Answer(422, {"message": str(failed)})
        if not allowed:
            return Answer(403, {"message": "Unauthorized"})
    realtime.broadcast(single.topic, Broadcast(single.event, payload, as_binary=True), private=single.private)
    return ACCEPTED


def _payload(single: Single) -> Any:
    """What is sent, or the answer to what can't be."""
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
    return payload
