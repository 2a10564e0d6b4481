"""A client of HTTP/1.1 that asks one server often: what it makes of answers, connections, and proxies."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from infrastructure import http_client
from infrastructure.http_client import MAX_ANSWER_BYTES, HttpClient
from support.authority import Authority

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 202 Accepted\r\nX-Rate-Limit: 500\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture(scope="module", params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both loops: the server runs on the one, commands on the other."""
    return "asyncio", {"use_uvloop": request.param}


@dataclass
class Server:
    """Answers each request with the next of *answers* (the last of them again and again); None closes."""

    answers: Sequence[bytes | None] = (OK,)
    url: str = ""
    connections: int = 0
    seen: list[bytes] = field(default_factory=list)
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def was_asked(self) -> bool:
        """Whether a request has come."""
        return bool(self.seen)

    def hang_up(self) -> None:
        """Close what is open."""
        for writer in self._writers:
            writer.close()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), 0
                )
                self.seen.append(head + await reader.readexactly(length))
                said = self.answers[min(len(self.seen), len(self.answers)) - 1]
                if said is None:
                    break
                writer.write(said)
                await writer.drain()


@asynccontextmanager
async def served(
    handle: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    handling: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handling.add(task)
        try:
            await handle(reader, writer)
        finally:
            await _close(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.gather(*handling)  # whoever asked has closed


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.002)


async def client_of(stack: AsyncExitStack, server: Server, **options: str) -> HttpClient:
    port = await stack.enter_async_context(served(server))
    client = HttpClient(f"http://127.0.0.1:{port}", {"apikey": "secret", **options}, through_proxy=False)
    stack.callback(client.close)
    return client


async def test_requests_in_turn_share_a_connection(stack: AsyncExitStack) -> None:
    server = Server()
    client = await client_of(stack, server)
    for body in (b"one", b"three"):
        answer = await client.post("/a?b=c", body)
        assert (answer.status, answer.headers[b"x-rate-limit"], answer.body) == (202, b"500", b"{}")
    assert (await client.get("/d")).status == 202
    assert server.connections == 1
    first, second, third = server.seen
    assert first.startswith(b"POST /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\napikey: secret\r\nContent-Length: 3\r\n\r\none" in first
    assert second.endswith(b"\r\n\r\nthree")
    assert third.startswith(b"GET /d HTTP/1.1\r\n")


async def test_requests_at_once_have_a_connection_each(stack: AsyncExitStack) -> None:
    server = Server()
    client = await client_of(stack, server)
    await asyncio.gather(*(client.get("/") for _ in range(5)))
    await asyncio.gather(*(client.get("/") for _ in range(5)))
    assert server.connections == 5


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("said", "status", "body", "connections"),
    [
        (CHUNKED, 200, b"abcde", 1),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", 1),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK, 202, b"{}", 1),
        (b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n", 302, b"", 1),
        (OK.replace(b"Accepted", b"Accepted\r\nConnection: close"), 202, b"{}", 2),
        (OK + OK, 202, b"{}", 2),  # whose the second one is nobody knows
    ],
    ids=["chunked", "no content", "after an announcement", "a redirect", "the last", "two for one"],
)
async def test_what_an_answer_says(
    stack: AsyncExitStack, said: bytes, status: int, body: bytes, connections: int
) -> None:
    server = Server([said])
    client = await client_of(stack, server)
    for _ in range(2):
        answer = await client.get("/")
        assert (answer.status, answer.body) == (status, body)
    assert server.connections == connections


async def test_a_body_that_is_cut_short_or_ends_with_the_connection_is_told_as_it_came(
    stack: AsyncExitStack,
) -> None:
    for head in (b"HTTP/1.1 422 X\r\nContent-Length: 100\r\n\r\n", b"HTTP/1.1 422 X\r\n\r\n"):
        server = Server([head + b"RLS"])
        client = await client_of(stack, server)
        asking = asyncio.create_task(client.get("/"))
        await eventually(server.was_asked)
        server.hang_up()
        answer = await asking
        assert (answer.status, answer.body) == (422, b"RLS")


@pytest.mark.parametrize(
    "said",
    [
        b"220 mail.example.org ESMTP\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_ANSWER_BYTES,
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n" + b"x" * MAX_ANSWER_BYTES,
        None,
    ],
    ids=["no HTTP", "another protocol", "a head without end", "a body without end", "nothing"],
)
async def test_what_is_no_answer_is_an_error_of_the_network(
    stack: AsyncExitStack, said: bytes | None
) -> None:
    server = Server([said, OK])
    client = await client_of(stack, server)
    with pytest.raises(OSError, match=r"no HTTP|without end|closed"):
        await client.get("/")
    assert (await client.get("/")).status == 202
    assert server.connections == 2


async def test_nobody_listens() -> None:
    async with served(Server()) as port:
        pass
    with pytest.raises(ConnectionRefusedError):
        await HttpClient(f"http://127.0.0.1:{port}", {}, through_proxy=False).get("/")


async def test_an_answer_that_nobody_waits_for_any_more_is_not_the_next_ones(stack: AsyncExitStack) -> None:
    server = Server([b"HTTP/1.1 200 OK\r\n", OK])
    client = await client_of(stack, server)
    asking = asyncio.create_task(client.get("/"))
    await eventually(server.was_asked)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (await client.get("/")).status == 202
    assert server.connections == 2


async def test_a_connection_that_the_server_closed_meanwhile_is_not_used_again(stack: AsyncExitStack) -> None:
    server = Server()
    client = await client_of(stack, server)
    await client.get("/")
    server.hang_up()
    await eventually(client._idle[0].transport.is_closing)
    assert (await client.get("/")).status == 202
    assert server.connections == 2


async def test_a_connection_that_rested_long_is_not_used_again(
    stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server()
    client = await client_of(stack, server)
    await client.get("/")
    monkeypatch.setattr(http_client, "IDLE_S", 0.0)
    await client.get("/")
    assert server.connections == 2


# ------------------------------------------------------------------ TLS and proxies


@dataclass
class Proxy:
    """Passes connections on, and keeps the heads of those who asked."""

    target: int
    answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n"
    asked: list[bytes] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(self.answer)
        if b" 200 " not in self.answer:
            writer.close()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self.target)
        await asyncio.gather(_pass(reader, back), _pass(there, writer))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@dataclass(frozen=True)
class Secure:
    """The contexts of a server on this machine, and of whoever trusts it."""

    server: ssl.SSLContext
    client: ssl.SSLContext


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Secure:
    authority = Authority("A private CA")
    path: Path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_text("".join(authority.certify("localhost")))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return Secure(server, ssl.create_default_context(cadata=authority.pem))


async def test_over_tls_the_servers_name_is_checked(stack: AsyncExitStack, secure: Secure) -> None:
    port = await stack.enter_async_context(served(Server(), secure.server))
    for origin in (f"https://localhost:{port}", f"https://127.0.0.1:{port}"):
        client = HttpClient(origin, {}, through_proxy=False, tls=secure.client)
        stack.callback(client.close)
        if "localhost" in origin:
            assert (await client.get("/")).status == 202
        else:
            with pytest.raises(ssl.SSLCertVerificationError):
                await client.get("/")
    client = HttpClient(f"https://localhost:{port}", {}, through_proxy=False)  # trusts whom everybody trusts
    with pytest.raises(ssl.SSLCertVerificationError):
        await client.get("/")


async def test_the_environments_proxy_is_asked_to_connect(
    stack: AsyncExitStack, secure: Secure, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server()
    port = await stack.enter_async_context(served(server, secure.server))
    proxy = Proxy(port)
    proxy_port = await stack.enter_async_context(served(proxy))
    monkeypatch.setenv("https_proxy", f"http://some%20one:secret@127.0.0.1:{proxy_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    client = HttpClient("https://localhost:444", {}, through_proxy=True, tls=secure.client)
    stack.callback(client.close)
    for _ in range(2):
        assert (await client.post("/a", b"b")).status == 202
    [asked] = proxy.asked
    assert asked.startswith(b"CONNECT localhost:444 HTTP/1.1\r\nHost: localhost:444\r\n")
    assert b"\r\nProxy-Authorization: Basic c29tZSBvbmU6c2VjcmV0\r\n" in asked
    assert server.connections == 1


async def test_a_proxy_that_refuses_is_an_error_of_the_network(
    stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = Proxy(0, b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
    proxy_port = await stack.enter_async_context(served(proxy))
    monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy_port}")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(ConnectionRefusedError, match="407"):
        await HttpClient("https://localhost:444", {}, through_proxy=True).get("/")


@pytest.mark.parametrize("through_proxy", [True, False])
async def test_no_proxy_where_none_is_wanted(
    stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch, through_proxy: bool
) -> None:
    port = await stack.enter_async_context(served(Server()))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1" if through_proxy else "")
    client = HttpClient(f"http://127.0.0.1:{port}", {}, through_proxy=through_proxy)
    stack.callback(client.close)
    assert (await client.get("/")).status == 202
