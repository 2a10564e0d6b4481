"""A server that takes single messages as Realtime does, or fails in one of the ways of servers and networks."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import msgspec

from support.ports import free_port
from support.stack import SupabaseStack


class Mode(Enum):
    """How the server answers."""

    OK = "ok"
    DROPPED = "202, and delivered to nobody"
    TOO_MANY = "429"
    FAILING = "500"
    UNSURE = "422, because the policies could not be asked"
    HANGING = "no answer"
    SLOW = "an answer after a second"
    REFUSING = "connection refused"
    RESET = "taken, then the connection is reset"
    UNAUTHORIZED = "401"
    ELSEWHERE = "a page of somebody else's"


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that the server took, and when (monotonic)."""

    topic: str
    id: UUID
    payload: dict[str, Any]
    private: bool
    at: float


@dataclass
class FaultyRealtime:
    """Fails as :attr:`mode` says, and keeps what it took.

    A payload with currency ``XXX`` is poison, whatever :attr:`poison` says of it: a status, or None for no answer.
    """

    port: int = field(default_factory=free_port)
    mode: Mode = Mode.OK
    poison: int | None = 422
    limit: int | None = None
    taken: list[Taken] = field(default_factory=list)
    dropped: list[Taken] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    most_at_once: int = 0
    _at_once: int = 0
    requests: list[dict[str, str]] = field(default_factory=list)
    connections: int = 0
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        """What stands for SUPABASE_URL."""
        return f"http://127.0.0.1:{self.port}"

    async def behave(self, mode: Mode) -> None:
        """From now on answer as *mode* says; whoever still waits for an answer is cut off."""
        before, self.mode = self.mode, mode
        if before is Mode.HANGING:
            self._cut()
        if mode is Mode.REFUSING:
            await self._close()
        elif self._server is None:
            await self._open()

    async def until(self, count: int, seconds: float) -> float:
        """Return once *count* different events were taken; the seconds that it took.

        Raises:
            AssertionError: they were not, in time.
        """
        began = time.monotonic()
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: len({message.id for message in self.taken}) >= count)
        except TimeoutError:
            have = len({message.id for message in self.taken})
            raise AssertionError(f"{have} of {count} events after {seconds} s") from None
        return time.monotonic() - began

    async def until_asked(self, times: int = 1) -> None:
        """Return once so many messages have come, whatever became of them."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.asked) >= times)

    def versions(self) -> dict[str, list[int]]:
        """The versions of each topic, in the order in which they came first."""
        seen: set[UUID] = set()
        versions: dict[str, list[int]] = defaultdict(list)
        for message in self.taken:
            if message.id not in seen:
                seen.add(message.id)
                versions[message.topic].append(message.payload["version"])
        return versions

    def repeated(self) -> int:
        """How many messages came more than once."""
        return len(self.taken) - len({message.id for message in self.taken})

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self._cut()

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while not writer.transport.is_closing():
                    await self._answer(reader, writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request, *lines = head.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, path, _ = request.split(" ")
        if method != "POST" or "/events/" not in path:
            await self._say(writer, 404)
            return
        topic = unquote(path.split("/api/broadcast/")[1].split("/events/")[0])
        self.requests.append(headers)
        async with self._changed:
            self.asked.append(topic)
            self._changed.notify_all()
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            status = await self._decide(topic, body, path.endswith("?private=true"), writer)
        finally:
            self._at_once -= 1
        if status is not None:
            await self._say(writer, status)

    async def _say(self, writer: asyncio.StreamWriter, status: int) -> None:
        rate = "" if self.limit is None else f"x-rate-limit: {self.limit}\r\nx-rate-limit-remaining: 100\r\n"
        content = _BODIES.get(self.mode, '{"errors": {"payload": ["is invalid"]}}' if status == 422 else "{}")
        size = len(content)
        writer.write(f"HTTP/1.1 {status} X\r\n{rate}content-length: {size}\r\n\r\n{content}".encode())
        await writer.drain()

    async def _decide(
        self, topic: str, body: bytes, private: bool, writer: asyncio.StreamWriter
    ) -> int | None:
        mode, payload = self.mode, msgspec.json.decode(body)
        if mode is Mode.HANGING or (payload.get("currency") == "XXX" and self.poison is None):
            await reader_gone(writer)
            return None
        if status := _STATUS.get(mode):
            return status
        if payload.get("currency") == "XXX":
            return self.poison
        if mode is Mode.SLOW:
            await asyncio.sleep(1)
        if "event_id" in payload:
            taken = Taken(topic, UUID(payload["event_id"]), payload, private, time.monotonic())
            await self._take(taken, self.dropped if mode is Mode.DROPPED else self.taken)
        if mode is Mode.RESET:
            writer.transport.abort()
            return None
        return 202

    async def _take(self, message: Taken, into: list[Taken]) -> None:
        async with self._changed:
            into.append(message)
            self._changed.notify_all()


_STATUS = {
    Mode.TOO_MANY: 429,
    Mode.FAILING: 500,
    Mode.UNSURE: 422,
    Mode.UNAUTHORIZED: 401,
    Mode.ELSEWHERE: 404,
}
_BODIES = {Mode.UNSURE: '{"message": "RLS policy error"}'}


async def reader_gone(writer: asyncio.StreamWriter) -> None:
    """Wait until the other side, or the test, cuts the connection."""
    with suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def faulty_realtime() -> AsyncIterator[FaultyRealtime]:
    """A server that answers well until it is told otherwise."""
    server = FaultyRealtime()
    await server.behave(Mode.OK)
    try:
        yield server
    finally:
        await server._close()


def beside(realtime: FaultyRealtime, supabase: SupabaseStack) -> dict[str, Any]:
    """Settings of a backend that publishes to *realtime* and knows the users of *supabase*."""
    return {
        "supabase_url": realtime.url,
        "supabase_jwks_url": f"{supabase.url}/auth/v1/.well-known/jwks.json",
        "supabase_jwt_issuer": [f"{supabase.url}/auth/v1"],
    }
