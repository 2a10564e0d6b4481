"""Hands batches of events to Supabase Realtime.

Supabase's Python client sends one message a call, on a new connection each time; so batches go straight to its
endpoint: ``POST /realtime/v1/api/broadcast`` (https://supabase.com/docs/guides/realtime/broadcast). A 202 means
taken, for a sender that may send on the topic, which the secret key always may.
"""

from collections.abc import Sequence

import httpx
import msgspec
from supabase import AsyncClient

from application.realtime.ports import BatchRefused, Message, PublishFailed


class RealtimePublisher:
    """The port :class:`application.realtime.ports.Publisher` on Supabase Realtime."""

    def __init__(self, client: AsyncClient, http: httpx.AsyncClient) -> None:
        self._http = http
        self._url = f"{client.realtime.http_endpoint}/api/broadcast"
        self._headers = {"apikey": client.supabase_key, "Content-Type": "application/json"}
        if client.supabase_key.startswith(
            "eyJ"
        ):  # a legacy key is a token; a secret key must not pose as one
            self._headers["Authorization"] = f"Bearer {client.supabase_key}"

    async def publish(self, messages: Sequence[Message]) -> None:
        """See the port. The private flag and an id go with each message, so that a client can drop repeats."""
        body = msgspec.json.encode({"messages": [_wire(message) for message in messages]})
        try:
            answer = await self._http.post(self._url, content=body, headers=self._headers)
        except httpx.HTTPError as error:
            raise PublishFailed(f"no answer: {type(error).__name__}") from error
        if answer.status_code == httpx.codes.ACCEPTED:
            return
        if answer.status_code in {httpx.codes.UNPROCESSABLE_ENTITY, httpx.codes.REQUEST_ENTITY_TOO_LARGE}:
            raise BatchRefused(f"{answer.status_code}: {answer.text[:500]}")
        too_many = answer.status_code == httpx.codes.TOO_MANY_REQUESTS
        raise PublishFailed(f"{answer.status_code}: {answer.text[:500]}", retry_smaller=too_many)


def _wire(message: Message) -> dict[str, object]:
    return {
        "topic": message.topic,
        "event": message.event,
        "payload": msgspec.Raw(message.payload.encode()),
        "private": True,
        "id": str(message.event_id),
    }
