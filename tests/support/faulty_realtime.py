"""A server that takes batches as Realtime does, or fails in one of the ways in which a server and a network fail."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec

from support.stack import SupabaseStack, free_port


class Mode(Enum):
    """How the server answers."""

    OK = "ok"
    DROPPED = "202, and delivered to nobody"
    TOO_LARGE = "429 for batches of more than ten"
    TOO_MANY = "429"
    FAILING = "500"
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
    """Fails as :attr:`mode` says, and keeps what it took. A payload with currency ``XXX`` is poison: 422."""

    port: int = field(default_factory=free_port)
    mode: Mode = Mode.OK
    room: int = 10
    taken: list[Taken] = field(default_factory=list)
    dropped: list[Taken] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
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

    async def until_asked(self) -> None:
        """Return once a batch has come, whatever becomes of it."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.batches)

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
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append(headers)
        messages = msgspec.json.decode(body)["messages"]
        async with self._changed:
            self.batches.append(len(messages))
            self._changed.notify_all()
        status = await self._decide(messages, writer)
        if status is None:
            return
        rate = f"x-rate-limit: 500\r\nx-rate-limit-remaining: {self.room}\r\n" if status == 429 else ""
        writer.write(f"HTTP/1.1 {status} X\r\n{rate}content-length: 2\r\n\r\n{{}}".encode())
        await writer.drain()

    async def _decide(self, messages: list[dict[str, Any]], writer: asyncio.StreamWriter) -> int | None:
        mode = self.mode
        if mode is Mode.HANGING:
            await reader_gone(writer)
            return None
        if mode is Mode.TOO_LARGE and len(messages) > self.room:
            return 429
        if status := _STATUS.get(mode):
            return status
        if any(message["payload"].get("currency") == "XXX" for message in messages):
            return 422
        if mode is Mode.SLOW:
            await asyncio.sleep(1)
        await self._take(messages, self.dropped if mode is Mode.DROPPED else self.taken)
        if mode is Mode.RESET:
            writer.transport.abort()
            return None
        return 202

    async def _take(self, messages: list[dict[str, Any]], into: list[Taken]) -> None:
        now = time.monotonic()
        async with self._changed:
            into += [
                Taken(one["topic"], UUID(one["id"]), one["payload"], one["private"], now) for one in messages
            ]
            self._changed.notify_all()


_STATUS = {Mode.TOO_MANY: 429, Mode.FAILING: 500, Mode.UNAUTHORIZED: 401, Mode.ELSEWHERE: 404}


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
