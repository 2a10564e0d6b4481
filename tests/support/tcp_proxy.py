"""A TCP proxy before PostgreSQL that reads along: it counts what is sent, and cuts connections at chosen moments."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from urllib.parse import urlsplit, urlunsplit

SSL_REQUEST = 80877103


class CutPoint(Enum):
    """When a connection is cut."""

    BEFORE_COMMIT = auto()  # the server never sees it
    AFTER_COMMIT = auto()  # the server has committed, and its answer is lost


class TcpProxy:
    """What runs between a backend and its database. Its loop is a thread's own, so tests may block."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._cuts: list[CutPoint] = []
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._gathering: asyncio.Barrier | None = None
        self.statements: list[str] = []
        self.cut: list[CutPoint] = []
        """The cuts that were made."""

    @property
    def url(self) -> str:
        """The address of the same database, through this proxy."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        user = f"{self._target.username}@" if self._target.username else ""
        return urlunsplit(self._target._replace(netloc=f"{user}127.0.0.1:{port}"))

    def cut_next(self, *moments: CutPoint) -> None:
        """Cut a connection at each of *moments*, in turn, as commits come by."""
        self._cuts.extend(moments)

    def cut_all(self) -> None:
        """Cut every connection, wherever it stands; they are cut when this returns."""

        async def cut() -> None:
            for link in list(self._links):
                link.close()

        asyncio.run_coroutine_threadsafe(cut(), self._loop).result()

    def gather_commits(self, count: int) -> None:
        """From now on commits go on together: each waits until *count* connections have come to theirs."""
        self._gathering = asyncio.Barrier(count)

    def freeze(self) -> None:
        """From now on nothing goes through, and nothing is closed: a network that swallows."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def thaw(self) -> None:
        """Let everything through again."""
        self._loop.call_soon_threadsafe(self._flowing.set)

    def run(self, ready: threading.Event) -> None:
        """Serve until stopped."""
        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(asyncio.start_server(self._connected, "127.0.0.1", 0))
        ready.set()
        self._loop.run_forever()
        self._server.close()
        for link in list(self._links):
            link.close()
        self._flowing.set()
        if pending := asyncio.all_tasks(self._loop):  # each ends by itself, now that its connection is cut
            _, left = self._loop.run_until_complete(asyncio.wait(pending, timeout=5))
            for task in left:
                task.cancel()
            if left:
                self._loop.run_until_complete(asyncio.wait(left))
        self._loop.close()

    def stop(self) -> None:
        """End :meth:`run`."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream = await asyncio.open_connection(self._target.hostname, self._target.port)
        except OSError:
            writer.close()
            return
        link = _Link(self, (reader, writer), upstream)
        self._links.add(link)
        await asyncio.gather(link.forth(), link.back())
        self._links.discard(link)

    async def flow(self) -> None:
        """Wait while frozen."""
        await self._flowing.wait()

    async def gathered(self) -> None:
        """Wait for the other commits, where they go on together."""
        if self._gathering is not None:
            await self._gathering.wait()

    def take_cut(self) -> CutPoint | None:
        """The cut that the commit at hand is to have."""
        return self._cuts.pop(0) if self._cuts else None


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Link:
    """One connection of a client, and ours to the server for it."""

    def __init__(self, proxy: TcpProxy, client: Stream, server: Stream) -> None:
        self._proxy = proxy
        self._from_client, self._to_client = client
        self._from_server, self._to_server = server
        self._doomed = False

    def close(self) -> None:
        """Cut both sides."""
        self._to_client.transport.abort()
        self._to_server.transport.abort()

    async def forth(self) -> None:
        """Client to server, message by message."""
        with suppress(OSError, asyncio.IncompleteReadError):
            while await self._first_message():
                pass
            while True:
                head = await self._from_client.readexactly(5)
                body = await self._from_client.readexactly(int.from_bytes(head[1:], "big") - 4)
                await self._proxy.flow()
                if self._cuts(head[:1], body):
                    break
                if _is_commit(head[:1], body):
                    await self._proxy.gathered()
                self._to_server.write(head + body)
                await self._to_server.drain()
        if not self._doomed:
            self.close()

    async def back(self) -> None:
        """Server to client; what answers a doomed commit is lost."""
        with suppress(OSError):
            while data := await self._from_server.read(65_536):
                await self._proxy.flow()
                if self._doomed:
                    self._proxy.cut.append(CutPoint.AFTER_COMMIT)
                    break
                self._to_client.write(data)
                await self._to_client.drain()
        self.close()

    async def _first_message(self) -> bool:
        """Pass a message of the start-up, which has no type; whether another such follows."""
        size = await self._from_client.readexactly(4)
        body = await self._from_client.readexactly(int.from_bytes(size, "big") - 4)
        await self._proxy.flow()
        self._to_server.write(size + body)
        await self._to_server.drain()
        return int.from_bytes(body[:4], "big") == SSL_REQUEST

    def _cuts(self, kind: bytes, body: bytes) -> bool:
        """Note a message; whether the connection is cut before it goes on."""
        if kind == b"Q":
            text = body.rstrip(b"\0").decode()
            self._proxy.statements.append(text)
            if _is_commit(kind, body):
                cut_point = self._proxy.take_cut()
                self._doomed = cut_point is CutPoint.AFTER_COMMIT
                if cut_point is CutPoint.BEFORE_COMMIT:
                    self._proxy.cut.append(cut_point)
                    return True
        elif kind == b"E":
            self._proxy.statements.append("(prepared)")
        return False


def _is_commit(kind: bytes, body: bytes) -> bool:
    return kind == b"Q" and body.rstrip(b"\0").lower() == b"commit"


@contextmanager
def proxy_to(url: str) -> Iterator[TcpProxy]:
    """A proxy before the database at *url*, for as long as the block runs."""
    proxy, ready = TcpProxy(url), threading.Event()
    thread = threading.Thread(target=proxy.run, args=(ready,), name="proxy", daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join(10)
