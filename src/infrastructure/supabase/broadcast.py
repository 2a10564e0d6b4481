"""Hands events to Supabase Realtime, one message a request.

``POST /realtime/v1/api/broadcast/{topic}/events/{event}?private=true``
(https://supabase.com/docs/guides/realtime/broadcast) answers for the message that it was given. The older endpoint
for batches does not: it answers 202 before it has asked the database who may send, and drops what it could not ask.
"""

import asyncio
import time
from typing import Final
from uuid import UUID

from application.realtime.ports import Fault, Message, PublishFailed
from infrastructure.http_client import HttpClient
from infrastructure.supabase.admin import BATCH, SOMEBODY, RealtimeEndpoint, fault_of, limit_of, single
from infrastructure.supabase.proven_batches import ProvenBatches

PUBLISH_S: Final = 5
"""The longest that a message may take: less than ``infrastructure.postgres.lease.MARGIN_S``."""
DEVICES: Final = 2
"""How many devices a user is expected to listen with; each delivery counts against the plan."""
KEY_CHECK_S: Final = 15.0

PROBE: Final = Message(0, UUID(int=0), "lingualink:probe", "probe", "{}", 0)
"""What nobody waits for."""


class RealtimePublisher:
    """The port :class:`application.realtime.ports.Publisher` on Supabase Realtime."""

    def __init__(self, endpoint: RealtimeEndpoint, *, through_proxy: bool) -> None:
        self._endpoint = endpoint
        self._http = HttpClient(endpoint.supabase_url, endpoint.headers, through_proxy=through_proxy)
        self._batches: ProvenBatches | None = None
        self._key_checked_at = float("-inf")
        self._key_is_refused = False

    @property
    def cost(self) -> int:
        """See the port."""
        return 1 + DEVICES + (0 if self._batches is None else self._batches.overhead)

    @property
    def is_older(self) -> bool:
        """Whether the server was found to be from before May 2026: it takes batches only."""
        return self._batches is not None

    async def publish(self, message: Message) -> int | None:
        """See the port. The payload carries the event's id, so that a client can drop repeats."""
        try:
            async with asyncio.timeout(PUBLISH_S):
                if self._batches is not None:
                    return await self._batches.publish(message)
                return await self._publish_alone(message)
        except OSError as error:  # a timeout is one, too
            raise PublishFailed(f"no answer: {type(error).__name__}") from error

    async def probe(self) -> bool:
        """See the port."""
        try:
            await self.publish(PROBE)
        except PublishFailed:
            return False
        return True

    async def aclose(self) -> None:
        """Close the connections, and leave the channels that an older server needs."""
        if self._batches is not None:
            await self._batches.aclose()
        self._http.close()

    async def _publish_alone(self, message: Message) -> int | None:
        answer = await self._http.post(single(message.topic, message.event), message.payload.encode())
        if answer.status == 202:
            return limit_of(answer.headers)
        if answer.status == 404 and await self._takes_batches():
            self._batches = ProvenBatches(self._endpoint, self._http)
            return await self._batches.publish(message)
        if answer.status == 500 and await self._auth_refuses_the_key():
            raise PublishFailed("500, and Supabase Auth does not know the secret key", Fault.KEY)
        raise fault_of(answer)

    async def _takes_batches(self) -> bool:
        """Whether it is a Realtime at all: one says what is wrong with a batch of nothing."""
        answer = await self._http.post(BATCH, b'{"messages": []}')
        return answer.status == 422 and b"messages" in answer.body

    async def _auth_refuses_the_key(self) -> bool:
        """The gateway of Supabase's CLI passes an unknown key on, and Realtime crashes over it; Auth says no."""
        now = time.monotonic()
        if now - self._key_checked_at >= KEY_CHECK_S:
            answer = await self._http.get(SOMEBODY)
            self._key_checked_at, self._key_is_refused = now, answer.status in {401, 403}
        return self._key_is_refused
