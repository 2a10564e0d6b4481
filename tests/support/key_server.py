"""A JWKS endpoint on the loopback interface that misbehaves on demand, and counts."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from infrastructure.supabase.jwks import KeySet
from infrastructure.supabase.jwks_client import JwksClient
from support.minting import Json

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


def answer(body: bytes, status: str = "200 OK", *headers: str, length: int | None = None) -> Answer:
    async def write(writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
        writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
        await writer.drain()

    return write


def document(value: Json, status: str = "200 OK") -> Answer:
    return answer(json.dumps(value).encode(), status, "Content-Type: application/json")


def raw(octets: bytes) -> Answer:
    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(octets)
        await writer.drain()

    return write


async def hang(_: asyncio.StreamWriter) -> None:
    """Says nothing, for ever."""
    await asyncio.Event().wait()


async def trickle(writer: asyncio.StreamWriter) -> None:
    """Sends a byte now and then, so that no single read takes long."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.01)


async def reset(writer: asyncio.StreamWriter) -> None:
    """Goes away without a word."""
    writer.close()


async def endless(writer: asyncio.StreamWriter) -> None:
    """Never stops sending."""
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"2000\r\n" + b" " * 0x2000 + b"\r\n")
        await writer.drain()


class FixedKeys(JwksClient):
    """Keys that are always known and never change; nothing is fetched."""

    def __init__(self, keys: KeySet) -> None:
        super().__init__("http://127.0.0.1:1/never-asked")
        self._fixed = keys

    @property
    def known(self) -> bool:
        return True

    async def current(self) -> KeySet:
        return self._fixed

    async def newer_than(self, keys: KeySet) -> KeySet:
        return keys


@contextmanager
def published(jwks: Json) -> Iterator[str]:
    """The address of a server that answers everything with *jwks*, from a thread of its own."""
    body = json.dumps(jwks).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class KeyServer:
    """Serves whatever `now` is at the moment."""

    def __init__(self, first: Answer) -> None:
        self.now = first
        self.paths: list[str] = []
        self.url = ""

    @property
    def requests(self) -> int:
        return len(self.paths)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["KeyServer"]:
        open_requests: set[asyncio.Task[None]] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            open_requests.add(task)
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                self.paths.append(head.split(b" ")[1].decode())
                await self.now(writer)
            except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                open_requests.discard(task)
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/auth/v1/.well-known/jwks.json"
        try:
            yield self
        finally:
            server.close()
            for task in list(open_requests):
                task.cancel()
            await asyncio.gather(*open_requests, return_exceptions=True)
