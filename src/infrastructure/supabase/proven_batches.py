"""Publishing to a Realtime from before May 2026, which takes batches only and answers 202 whatever becomes of them.

A batch is counted as taken when two messages of ours have come back over a private channel: one that the server
asks the database about before all others of the batch, and one after them. (It goes through a batch's private topics
in the order of their names, up to 32 of them.) A connection that broke before the batch takes the first of the two
with it; what breaks and heals between the two goes unseen, which is why the newer endpoint is the right one.
"""

import asyncio
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import msgspec

from application.realtime.ports import Fault, Message, PublishFailed
from infrastructure.http_client import HttpClient
from infrastructure.supabase.admin import (
    BATCH,
    RealtimeEndpoint,
    create_admin_client,
    fault_of,
    limit_of,
    listen,
)

if TYPE_CHECKING:
    from supabase import AsyncClient

Waiting = list[tuple[Message, "asyncio.Future[int | None]"]]

LARGEST: Final = 16
RECEIPT_S: Final = 2.0
JOIN_S: Final = 2.0
_EVENT: Final = "receipt"


class ProvenBatches:
    """Sends what waits as one batch, and believes what it has seen."""

    overhead: Final = 4
    """Two messages more, each sent and delivered; at worst for every one of ours."""

    def __init__(self, endpoint: RealtimeEndpoint, http: HttpClient) -> None:
        self._endpoint = endpoint
        self._http = http
        self._receipts: Receipts | None = None
        self._waiting: Waiting = []
        self._sender: asyncio.Task[None] | None = None

    async def publish(self, message: Message) -> int | None:
        """Send *message* with whatever else waits; see the port. It must not be called twice for one topic at once."""
        future: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((message, future))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send_what_waits(), name="proven batches")
        return await future

    async def aclose(self) -> None:
        """Leave the channels."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
        await self._forget_receipts()

    async def _send_what_waits(self) -> None:
        await asyncio.sleep(0)  # whoever publishes at the same moment comes along
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:LARGEST], self._waiting[LARGEST:]
                await self._send(batch)
        finally:
            self._sender = None

    async def _send(self, batch: Waiting) -> None:
        try:
            limit = await self._prove([message for message, _ in batch])
        except PublishFailed as failure:
            if failure.fault is Fault.MESSAGE and len(batch) > 1:
                for one in batch:  # a batch is refused as a whole; who is at fault shows alone
                    await self._send([one])
                return
            await self._forget_receipts()
            for future in _still_waited_for(batch):
                future.set_exception(failure)
        else:
            for future in _still_waited_for(batch):
                future.set_result(limit)

    async def _prove(self, messages: list[Message]) -> int | None:
        try:
            async with asyncio.timeout(JOIN_S):
                if self._receipts is None:
                    self._receipts = await Receipts.joined(self._endpoint)
        except Exception as error:
            raise PublishFailed(f"no channel for receipts: {type(error).__name__}") from error
        ours = [self._receipts.expect(), *map(_wire, messages), self._receipts.expect(last=True)]
        body = msgspec.json.encode({"messages": ours})
        try:
            answer = await self._http.post(BATCH, body)
        except OSError as error:
            raise PublishFailed(f"no answer: {type(error).__name__}") from error
        if answer.status != 202:
            raise fault_of(answer)
        if not await self._receipts.came():
            raise PublishFailed("202, but nothing came back")
        return limit_of(answer.headers)

    async def _forget_receipts(self) -> None:
        if self._receipts is not None:
            receipts, self._receipts = self._receipts, None
            await receipts.leave()


class Receipts:
    """Two private channels, on which a batch's first and last message come back."""

    def __init__(self, client: "AsyncClient") -> None:
        name = f"lingualink:receipts:{secrets.token_hex(8)}"
        self._topics = (name, f"~{name}")  # before and after every ``user:`` in the order of names
        self._client = client
        self._expected: set[str] = set()
        self._all_came = asyncio.Event()

    @classmethod
    async def joined(cls, endpoint: RealtimeEndpoint) -> "Receipts":
        """Join both.

        Raises:
            Exception: it is not possible now.
        """
        client = await create_admin_client(endpoint.supabase_url, endpoint.headers["apikey"])
        receipts = cls(client)
        try:
            for topic in receipts._topics:
                await listen(client, topic, _EVENT, receipts._came)
        except BaseException:
            await receipts.leave()
            raise
        return receipts

    def _came(self, payload: Mapping[str, Any]) -> None:
        self._expected.discard(payload["receipt"])
        if not self._expected:
            self._all_came.set()

    def expect(self, *, last: bool = False) -> dict[str, object]:
        """A message that is to come back, the first or the last of a batch."""
        receipt = str(uuid4())
        if not last:
            self._expected.clear()
            self._all_came.clear()
        self._expected.add(receipt)
        return {
            "topic": self._topics[last],
            "event": _EVENT,
            "payload": {"receipt": receipt},
            "private": True,
        }

    async def came(self) -> bool:
        """Whether both came back in time."""
        try:
            async with asyncio.timeout(RECEIPT_S):
                await self._all_came.wait()
        except TimeoutError:
            return False
        return True

    async def leave(self) -> None:
        """Close the connection."""
        await self._client.realtime.close()


def _still_waited_for(batch: Waiting) -> "list[asyncio.Future[int | None]]":
    return [future for _, future in batch if not future.done()]


def _wire(message: Message) -> dict[str, object]:
    return {
        "topic": message.topic,
        "event": message.event,
        "payload": msgspec.Raw(message.payload.encode()),
        "private": True,
        "id": str(message.event_id),
    }
