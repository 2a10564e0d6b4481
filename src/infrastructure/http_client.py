"""HTTP/1.1 to one server, for requests that are many and answers that are small.

A request is one write, and its answer is parsed once. Nothing is redirected, unpacked, repeated or kept of cookies:
whoever asks here wants none of it (docs/adr/0033-the-relays-http-client.md).
"""

import asyncio
import ssl
import time
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

import certifi
import httptools
from typing_extensions import override

MAX_ANSWER_BYTES: Final = 128 * 1024
IDLE_S: Final = 60.0
"""How long a connection may have rested and be used again: later, the server may be about to close it."""


class HttpAnswer(NamedTuple):
    """Status, headers by their names in lower case, and the body as it came.

    A body that the server cut short is told as far as it came: the status has said what became of the request.
    """

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes


class HttpClient:
    """Connections to *origin* (``https://host:port``), which stay open; *headers* go with every request.

    There are as many as requests are under way. Whoever asks bounds their number, and the time that one may take: a
    request that is cancelled takes its connection with it. *tls* is for a server whose certificate nobody knows.

    Every request raises OSError where there is no answer, or none that HTTP has.
    """

    def __init__(
        self,
        origin: str,
        headers: Mapping[str, str],
        *,
        through_proxy: bool,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._origin = urlsplit(origin)
        self._through_proxy = through_proxy
        self._tls = tls
        fields = {"Host": self._origin.netloc, **headers}
        self._fields = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._idle: list[_Connection] = []

    async def get(self, target: str) -> HttpAnswer:
        """Ask for *target*, a path that is percent-encoded."""
        return await self._ask(f"GET {target} HTTP/1.1\r\n{self._fields}\r\n".encode("ascii"))

    async def post(self, target: str, body: bytes) -> HttpAnswer:
        """Send *body* to *target*."""
        head = f"POST {target} HTTP/1.1\r\n{self._fields}Content-Length: {len(body)}\r\n\r\n"
        return await self._ask(head.encode("ascii") + body)

    def close(self) -> None:
        """Close what rests."""
        while self._idle:
            self._idle.pop().transport.close()

    async def _ask(self, request: bytes) -> HttpAnswer:
        connection = self._rested() or await self._connect()
        try:
            answer = await connection.ask(request)
        except BaseException:
            connection.transport.abort()  # what it answers later is for nobody
            raise
        if connection.reusable:
            connection.rests_since = time.monotonic()
            self._idle.append(connection)
        else:
            connection.transport.close()
        return answer

    def _rested(self) -> "_Connection | None":
        """The connection that was used last, if it is still good."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.transport.is_closing():
                if time.monotonic() - connection.rests_since < IDLE_S:
                    return connection
                connection.transport.close()
        return None

    async def _connect(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        host = self._origin.hostname or ""
        tls = (self._tls or _public_authorities()) if self._origin.scheme == "https" else None
        proxy = _proxy_of(self._origin) if self._through_proxy else None
        if proxy is None:
            _, connection = await loop.create_connection(
                _Connection, host, self._origin.port or (443 if tls else 80), ssl=tls
            )
            return connection
        return await _through(proxy, host, self._origin.port or (443 if tls else 80), tls)


class _Connection(asyncio.Protocol):
    """One connection; one request at a time."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.reusable = False
        self.rests_since = 0.0
        self._parser: Any = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[HttpAnswer] | None = None  # while one is waited for
        self._opens_tunnel = False
        self._status = 0
        self._headers: dict[bytes, bytes] = {}
        self._body = b""
        self._size = 0

    def ask(self, request: bytes) -> "asyncio.Future[HttpAnswer]":
        """Send *request*; what comes back."""
        self.reusable, self._size, self._status = False, 0, 0
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._answer

    async def open_tunnel(self, place: str, who: str) -> None:
        """Have a proxy connect to *place*, if need be for *who* (user:password); from then on, all goes there.

        Raises:
            OSError: the proxy does not.
        """
        self._opens_tunnel = True
        proof = f"Proxy-Authorization: Basic {b64encode(who.encode()).decode()}\r\n" if who else ""
        answer = await self.ask(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n{proof}\r\n".encode("ascii"))
        if answer.status != 200:
            raise ConnectionRefusedError(f"the proxy answers {answer.status}")
        self._opens_tunnel = False
        self._parser = httptools.HttpResponseParser(self)

    @override
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self.transport.close()  # nobody asked
            return
        self._size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(ConnectionAbortedError(f"no HTTP: {type(error).__name__}"))
        if self._size > MAX_ANSWER_BYTES:
            self._fail(ConnectionAbortedError("an answer without end"))

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._status >= 200:
            self._tell()
        self._fail(exc if isinstance(exc, OSError) else ConnectionResetError("closed without an answer"))
        self._parser = None  # it holds us, too

    # ---------------------------------------------------------------- what the parser says

    def on_message_begin(self) -> None:
        """An answer's first byte."""
        self.reusable = False
        self._status, self._headers, self._body = 0, {}, b""

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field."""
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._status = self._parser.get_status_code()
        if self._opens_tunnel and self._status == 200:
            self._tell()  # what comes next is another server's

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """The answer's last byte."""
        if self._status >= 200:  # not an announcement of the answer
            # Of a second answer to one request nobody knows whose it is.
            self.reusable = self._answer is not None and self._parser.should_keep_alive()
            self._tell()

    def _tell(self) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(HttpAnswer(self._status, self._headers, self._body))

    def _fail(self, error: OSError) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(error)


async def _through(proxy: SplitResult, host: str, port: int, tls: ssl.SSLContext | None) -> _Connection:
    """A connection to *host* that *proxy* passes on."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(_Connection, proxy.hostname or "", proxy.port or 80)
    try:
        who = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}" if proxy.username else ""
        await connection.open_tunnel(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", who)
        if tls is not None:
            connection.transport = await loop.start_tls(
                connection.transport, connection, tls, server_hostname=host
            )
    except BaseException:
        connection.transport.abort()
        raise
    return connection


def _proxy_of(origin: SplitResult) -> SplitResult | None:
    """What the environment says (``https_proxy``, ``no_proxy``), as all of Python's clients read it."""
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415 - brings a client of its own

    proxy = getproxies().get(origin.scheme)
    if not proxy or proxy_bypass(origin.netloc):
        return None
    return urlsplit(proxy if "//" in proxy else f"//{proxy}")


@cache
def _public_authorities() -> ssl.SSLContext:
    """Whom everybody trusts; read once, for it is 150 certificates."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context
