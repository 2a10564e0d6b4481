"""Hands batches of events to Supabase Realtime.

Supabase's Python client sends one message a call, on a new connection each time; so batches go straight to its
endpoint: ``POST /realtime/v1/api/broadcast`` (https://supabase.com/docs/guides/realtime/broadcast). A 202 means
taken, for a sender that may send on the topic, which the secret key always may.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Final

import httpx
import msgspec

from application.realtime.ports import BatchRefused, Message, PublishFailed
from infrastructure.supabase.admin import RealtimeEndpoint

PUBLISH_S: Final = 5
"""The longest that one batch may take: less than ``infrastructure.postgres.lease.MARGIN_S``."""

_REFUSED: Final = {httpx.codes.UNPROCESSABLE_ENTITY, httpx.codes.REQUEST_ENTITY_TOO_LARGE}
_PASSING: Final = {httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_EARLY, httpx.codes.TOO_MANY_REQUESTS}


class RealtimePublisher:
    """The port :class:`application.realtime.ports.Publisher` on Supabase Realtime."""

    def __init__(self, endpoint: RealtimeEndpoint, http: httpx.AsyncClient) -> None:
        self._endpoint = endpoint
        self._http = http

    async def publish(self, messages: Sequence[Message]) -> int | None:
        """See the port. The private flag and an id go with each message, so that a client can drop repeats."""
        body = msgspec.json.encode({"messages": [_wire(message) for message in messages]})
        try:
            async with asyncio.timeout(PUBLISH_S):
                answer = await self._http.post(
                    self._endpoint.broadcast_url, content=body, headers=self._endpoint.headers
                )
        except (httpx.HTTPError, TimeoutError) as error:
            raise PublishFailed(f"no answer: {type(error).__name__}") from error
        if answer.status_code == httpx.codes.ACCEPTED:
            return _room(answer.headers)
        raise _fault(answer)


def _fault(answer: httpx.Response) -> BatchRefused | PublishFailed:
    """What an answer other than 202 means. What says nothing about the messages never costs one of them."""
    status, why = answer.status_code, f"{answer.status_code}: {answer.text[:400]}"
    if status in _REFUSED:
        return BatchRefused(why)
    if status >= 500 or status in _PASSING:
        return PublishFailed(why, room=_room(answer.headers))
    # A key that is not known or allowed; or not Realtime at all: a redirect, a page, a project that is not there.
    return PublishFailed(why, denied=True)


def _room(headers: Mapping[str, str]) -> int | None:
    """How many messages fit under the project's rate now. A batch counts as a whole against what remains."""
    try:
        return max(0, math.floor(float(headers["x-rate-limit-remaining"])))
    except (KeyError, ValueError, OverflowError):
        return None


def _wire(message: Message) -> dict[str, object]:
    return {
        "topic": message.topic,
        "event": message.event,
        "payload": msgspec.Raw(message.payload.encode()),
        "private": True,
        "id": str(message.event_id),
    }
