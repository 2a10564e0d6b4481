"""HTTP/1.1 on one connection, for uvicorn's server: httptools parses, an exchange answers.

What a connection may take of this process is bounded: bytes of a request's head, and time to send a request. uvicorn's
own httptools protocol bounds neither; it also looks at each header of an answer with two patterns, arms a timer for
each pause, and makes two writes of an answer (docs/adr/0027-limits-at-the-connection.md,
docs/adr/0048-the-way-of-a-request.md).
"""

import asyncio
import secrets
from asyncio import TimerHandle
from collections import deque
from typing import Any, Final
from urllib.parse import unquote

import httptools
import structlog
import uvicorn
from typing_extensions import override
from uvicorn.protocols.utils import get_local_addr, get_remote_addr
from uvicorn.server import ServerState

from bootstrap.http_exchange import Exchange, problem_bytes
from bootstrap.http_flow import Flow

MAX_TARGET_BYTES: Final = 16 * 1024
"""RFC 9112, section 3, asks for 8,000 at least; a parameter of that length gets the answer of its route."""
MAX_HEAD_BYTES: Final = 32 * 1024
REQUEST_S: Final = 15.0
"""For a request to arrive whole, head and body, from its first byte; and for a new connection's first byte."""
MAX_WAITING: Final = 16
"""Requests that wait on a connection behind the one that is answered: one read may hold ten thousand."""

LINGER_S: Final = 1.0
LINGER_BYTES: Final = 1024 * 1024
"""What is read and dropped behind a refusal: closed at once, the connection would be reset under its answer."""

_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}

log = structlog.get_logger(__name__)


class _Refused(Exception):
    """Ends the parsing; the protocol knows why."""


class BoundedHttpProtocol(asyncio.Protocol):
    """One connection: requests are answered in their order, one at a time.

    Too much is answered 414 or 431, what is no HTTP 400, each by a problem document, and the connection closed; of too
    many requests at once the first are answered. Too slow, to send or to read, is closed without an answer: whoever
    stops is rarely there to read one. Each of these is a line in the log.
    """

    transport: Any
    flow: Flow

    def __init__(
        self, config: uvicorn.Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None
    ) -> None:
        if not config.loaded:
            config.load()
        self.loop = _loop or asyncio.get_event_loop()
        self.state = server_state
        self._app: Any = config.loaded_app
        self._app_state = app_state
        self._connections: Any = server_state.connections
        self._keep_alive_s = config.timeout_keep_alive
        self._parser: Any = httptools.HttpRequestParser(self)
        # Else bytes behind a request that closes the connection would take its answer away.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._of_connection: dict[str, Any] = {}  # what all its scopes have
        self._answering: Exchange | None = None
        self._newest: Any = None  # an Exchange, from the first head on
        self._waiting: deque[Exchange] = deque()
        self._idle_since = 0.0
        self._idling: TimerHandle | None = None
        self._deadline: TimerHandle | None = None
        self._peer: str | None = None
        self._refused = False
        self._code = "invalid_request"
        self._incomplete = False  # a request has begun, and more of it must come
        self._head_complete = False
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._expects_continue = False
        self._head_bytes = 0
        self._fed_bytes = 0  # since the end of the request before
        self._body_bytes = 0

    # ---------------------------------------------------------------- what the loop says

    @override
    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self._of_connection = {
            "type": "http",
            "asgi": _ASGI,
            "root_path": "",
            "server": get_local_addr(transport),
            "client": get_remote_addr(transport),
            "scheme": "https" if transport.get_extra_info("sslcontext") else "http",
        }
        client = self._of_connection["client"]
        self._peer = client[0] if client else None
        self.flow = Flow(transport, self.loop, self._peer)
        self._connections.add(self)
        self._start_clock()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._stop_clock()
        if self._idling is not None:
            self._idling.cancel()
        self._waiting.clear()
        if self._answering is not None:
            self._answering.hang_up()
        self.flow.resume_writing()
        self._parser = None  # it holds us, too

    @override
    def pause_writing(self) -> None:
        self.flow.pause_writing()

    @override
    def resume_writing(self) -> None:
        self.flow.resume_writing()

    @override
    def data_received(self, data: bytes) -> None:
        self._fed_bytes += len(data)
        if self._refused:
            if self._fed_bytes > LINGER_BYTES:
                self.flow.close()
            return
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._refuse(self._code)
            return
        if self._incomplete:
            # A head's last field, or a trailer, is kept by the parser until it is complete.
            if self._fed_bytes - self._body_bytes > MAX_HEAD_BYTES:
                self._refuse("headers_too_large")
            else:
                self._start_clock()
        elif self._answering is None and self._fed_bytes:
            self._start_clock()  # bytes that begin no request
        else:
            self._stop_clock()

    def _parse(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]  # nothing is upgraded to: what follows is the next request
            else:
                return

    # ---------------------------------------------------------------- what the parser says

    def on_message_begin(self) -> None:
        """A request's first byte."""
        self._stop_clock()
        self._incomplete, self._head_complete = True, False
        self._url, self._headers = b"", []
        self._expects_continue = False
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        self._url += url
        if len(self._url) > MAX_TARGET_BYTES:
            self._stop_parsing("uri_too_long")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field, of the head or of the trailers."""
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > MAX_HEAD_BYTES:
            self._stop_parsing("headers_too_large")
        if self._head_complete:
            return  # a trailer
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self._expects_continue = True
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is there: the application may begin."""
        parser = self._parser
        if len(self._waiting) >= MAX_WAITING:
            self._stop_parsing("rate_limited")
        if parser.should_upgrade() and any(map(_announces_body, self._headers)):
            self._stop_parsing("invalid_request")  # the parser would take the body for the next request
        version = parser.get_http_version()
        path, query = _path_and_query(self._url)
        scope = {
            **self._of_connection,
            "http_version": version,
            "method": parser.get_method().decode("ascii"),
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "query_string": query,
            "headers": self._headers,
            "state": self._app_state.copy(),
        }
        keep_alive = version != "1.0" and parser.should_keep_alive()
        self._newest = Exchange(self, scope, keep_alive=keep_alive, expects_continue=self._expects_continue)
        self._head_complete = True
        if self._answering is None:
            self._answer(self._newest)
        else:
            self.flow.pause_reading()
            self._waiting.append(self._newest)

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._body_bytes += len(body)
        if not self._newest.feed(body):
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """The request's last byte."""
        self._incomplete = False
        self._fed_bytes = self._body_bytes = 0
        self._newest.feed_eof()

    def _stop_parsing(self, code: str) -> None:
        self._code = code
        raise _Refused(code)

    # ---------------------------------------------------------------- answers

    def _answer(self, exchange: Exchange) -> None:
        self._answering = exchange
        self.state.tasks.add(self.loop.create_task(exchange.run(self._app)))

    def answered(self, exchange: Exchange) -> None:
        """Go on with the next request, or be idle; see :class:`bootstrap.http_exchange.Connection`."""
        self.state.total_requests += 1
        self._answering = None
        if not exchange.keep_alive:
            self.flow.close()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self._waiting:
            self._answer(self._waiting.popleft())
        else:
            self._idle_since = self.loop.time()
            if self._idling is None:
                self._idling = self.loop.call_later(self._keep_alive_s, self._end_idling)

    def _end_idling(self) -> None:
        """One timer for all pauses between requests: each pause says only when it began."""
        self._idling = None
        if self._answering is not None or self._incomplete:
            return  # the next answer starts it again
        left = self._idle_since + self._keep_alive_s - self.loop.time()
        if left <= 0:
            self.flow.close()
        else:
            self._idling = self.loop.call_later(left, self._end_idling)

    def shutdown(self) -> None:
        """Close once what has begun is answered; uvicorn's server asks for it."""
        if self._answering is None:
            self.flow.close()
        else:
            self._newest.keep_alive = False

    def _refuse(self, code: str) -> None:
        """Answer with the problem that *code* stands for, and close.

        Where an answer is under way there is no room for another: the connection ends behind it.
        """
        self._stop_clock()
        self._incomplete, self._refused, self._fed_bytes = False, True, 0
        request_id = secrets.token_hex(16)
        log.info("request.unreadable", code=code, client=self._peer, request_id=request_id)
        answering, broken = self._answering, self._newest if self._head_complete else None
        if broken is not None and broken in self._waiting:
            self._waiting.remove(broken)
        elif broken is not None:
            if broken.begun:
                self.flow.close()
                return
            broken.hang_up()  # the application's answer would come behind ours
        if answering is not None and answering is not broken:
            last = self._waiting[-1] if self._waiting else answering
            last.keep_alive = False
            self.flow.pause_reading()
            return
        self.transport.write(problem_bytes(code, request_id))
        self.transport.write_eof()
        self._deadline = self.loop.call_later(LINGER_S, self.flow.close)

    # ---------------------------------------------------------------- time

    def _start_clock(self) -> None:
        if self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(REQUEST_S, self._too_slow)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        log.info("request.too_slow", client=self._peer, bytes=self._fed_bytes)
        self.flow.close()


def _announces_body(header: tuple[bytes, bytes]) -> bool:
    name, value = header
    return name == b"transfer-encoding" or (name == b"content-length" and value != b"0")


def _path_and_query(target: bytes) -> tuple[bytes, bytes]:
    if target.startswith(b"/") and b"#" not in target:
        path, _, query = target.partition(b"?")
        return path, query
    parsed = httptools.parse_url(target)
    return parsed.path, parsed.query or b""
