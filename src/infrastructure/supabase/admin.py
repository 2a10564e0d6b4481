"""The project as its backend reaches it with the secret key: the one place that turns the key into headers.

And what Realtime's answers to it mean.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote

import msgspec

from application.realtime.ports import Fault, PublishFailed
from infrastructure.http_client import HttpAnswer

if TYPE_CHECKING:
    from supabase import AsyncClient

BATCH: Final = "/realtime/v1/api/broadcast"
"""Takes many messages, and says nothing of what became of each."""
SOMEBODY: Final = "/auth/v1/admin/users/00000000-0000-4000-8000-000000000000"
"""A user whom nobody ever was: Auth knows the secret key, and has never heard of them."""


def single(topic: str, event: str) -> str:
    """Takes one message for a private topic, and answers for it. Realtime has it since May 2026."""
    return f"{BATCH}/{quote(topic, safe='')}/events/{quote(event, safe='')}?private=true"


@dataclass(frozen=True, slots=True)
class RealtimeEndpoint:
    """Where messages go, and what proves that they are ours."""

    supabase_url: str
    headers: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, supabase_url: str, secret_key: str) -> Self:
        """Of the project at *supabase_url*. A legacy key is a token; a secret key must not pose as one."""
        headers = {"apikey": secret_key, "Content-Type": "application/json"}
        if secret_key.startswith("eyJ"):
            headers["Authorization"] = f"Bearer {secret_key}"
        return cls(supabase_url.rstrip("/"), headers)


async def create_admin_client(url: str, secret_key: str) -> "AsyncClient":
    """Supabase's own client, with the secret key. Nobody ever signs in on it: that would replace its key.

    The package takes two seconds to import, so whoever needs no channel does without.
    """
    from supabase import AsyncClientOptions, acreate_client  # noqa: PLC0415

    options = AsyncClientOptions(auto_refresh_token=False, persist_session=False)
    return await acreate_client(url, secret_key, options)


async def listen(
    client: "AsyncClient", topic: str, event: str, heard: Callable[[Mapping[str, Any]], None]
) -> None:
    """Join the private *topic*, and from then on hand the payloads of *event* to *heard*.

    Raises:
        ConnectionError: Realtime refuses the join, with its words.
    """
    answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def told(state: Any, error: Exception | None) -> None:
        if not answered.done():
            answered.set_result(str(state) if error is None else str(error))

    channel = client.channel(topic, {"config": {"private": True, "broadcast": None, "presence": None}})
    channel.on_broadcast(event, lambda message: heard(message["payload"]))
    await channel.subscribe(told)
    if not (said := await answered).endswith("SUBSCRIBED"):
        raise ConnectionError(said)


_BUSY: Final = 429
_PASSING: Final = {408, 422, 425, _BUSY}
_POOL_EXHAUSTED: Final = "Connection pool exhausted"


def fault_of(answer: HttpAnswer) -> PublishFailed:
    """What an answer other than 202 means, by its words (supabase/realtime 2.129).

    What says nothing about a message never costs one.
    """
    status, text = answer.status, answer.body.decode(errors="replace")
    why = f"{status}: {text[:400]}"
    if status == 413 or (status == 422 and _finds_fault(text)):
        return PublishFailed(why, Fault.MESSAGE)
    if status == _BUSY and _POOL_EXHAUSTED not in text:
        return PublishFailed(why, Fault.RATE)
    if status >= 500 or status in _PASSING:
        return PublishFailed(why)
    # A key that is not known or allowed; or not Realtime at all: a redirect, a page, a project that is not there.
    return PublishFailed(why, Fault.KEY)


def _finds_fault(text: str) -> bool:
    """Whether a 422 is about the message: then it has errors by field, where a passing fault has a message."""
    try:
        body = msgspec.json.decode(text)
    except ValueError:
        return False
    return isinstance(body, dict) and "errors" in body


def limit_of(headers: Mapping[bytes, bytes]) -> int | None:
    """The plan's messages a second. ``x-rate-limit-remaining`` beside it is about requests, and says nothing of it."""
    try:
        limit = int(headers[b"x-rate-limit"])
    except (KeyError, ValueError):
        return None
    return limit if limit > 0 else None
