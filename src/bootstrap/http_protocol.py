"""What a connection may take of this process: bytes of a request's head, and time to send a request.

uvicorn's httptools protocol bounds neither. This one counts while httptools parses, so a request that keeps to the
limits pays for a few additions (docs/adr/0027-limits-at-the-connection.md has the figures).
"""

from asyncio import TimerHandle
from typing import Any, Final

import httptools
import msgspec
import structlog
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from web.problems import MEDIA_TYPE, STATUS_OF, TITLES, Problem

MAX_TARGET_BYTES: Final = 16 * 1024
"""RFC 9112, section 3, asks for 8,000 at least; a parameter of that length gets the answer of its route."""
MAX_HEAD_BYTES: Final = 32 * 1024
REQUEST_S: Final = 15.0
"""For a request to arrive whole, head and body, from its first byte; and for a new connection's first byte."""

LINGER_S: Final = 1.0
LINGER_BYTES: Final = 1024 * 1024
"""What is read and dropped behind a refusal: closed at once, the connection would be reset under its answer."""

log = structlog.get_logger(__name__)


class _Refused(Exception):
    """Ends the parsing; the protocol knows why."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """httptools' protocol with a bounded head and a bounded time.

    Too much is answered 414 or 431, what is no HTTP 400, each by a problem document, and the connection closed. Too
    slow is closed without an answer: whoever stops sending is rarely there to read one.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._code = "invalid_request"
        self._incomplete = False  # a request has begun, and more of it must come
        self._head_complete = False
        self._head_bytes = 0
        self._fed_bytes = 0  # since the end of the request before
        self._body_bytes = 0
        self._deadline: TimerHandle | None = None
        self._peer: str | None = None
        self._refused = False

    @override
    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._peer = self.client[0] if self.client else None
        self._start_clock()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        self._fed_bytes += len(data)
        if self._refused:
            if self._fed_bytes > LINGER_BYTES:
                self.transport.close()
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # nothing is upgraded to: the request was answered as it stands
        except httptools.HttpParserError:
            self.send_400_response(self._code)
            return
        if self._incomplete:
            # A head's last field, or a trailer, is kept by the parser until it is complete.
            if self._fed_bytes - self._body_bytes > MAX_HEAD_BYTES:
                self.send_400_response("headers_too_large")
            else:
                self._start_clock()
        elif not self._is_answering():
            self._start_clock()  # bytes that begin no request
        else:
            self._stop_clock()

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._stop_clock()
        self._incomplete = True
        self._head_complete = False
        self._head_bytes = 0

    @override
    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_TARGET_BYTES:
            self._refuse("uri_too_long")

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > MAX_HEAD_BYTES:
            self._refuse("headers_too_large")
        super().on_header(name, value)

    @override
    def on_headers_complete(self) -> None:
        self._head_complete = True
        super().on_headers_complete()

    @override
    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        self._incomplete = False
        self._fed_bytes = self._body_bytes = 0
        super().on_message_complete()

    @override
    def send_400_response(self, msg: str) -> None:
        """Answer with the problem that *msg*, a code, stands for, and close.

        Where an answer is under way there is no room for another: the connection ends behind it.
        """
        self._stop_clock()
        self._incomplete, self._refused, self._fed_bytes = False, True, 0
        log.info("request.unreadable", code=msg, client=self._peer)
        if self._is_answering() and not self._head_complete:
            self.cycle.keep_alive = False
            self.flow.pause_reading()
            return
        if self._head_complete and self.cycle.response_started:
            self.transport.close()
            return
        body = msgspec.json.encode(Problem.of(msg, TITLES[msg], ""))
        head = (
            STATUS_LINE[STATUS_OF[msg]],
            b"content-type: %s\r\ncontent-length: %d\r\n" % (MEDIA_TYPE.encode(), len(body)),
            b"cache-control: no-store\r\nconnection: close\r\n\r\n",
        )
        self.transport.writelines((*head, body))
        self.transport.write_eof()
        self._deadline = self.loop.call_later(LINGER_S, self.transport.close)

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def _refuse(self, code: str) -> None:
        self._code = code
        raise _Refused(code)

    def _too_slow(self) -> None:
        self._deadline = None
        log.info("request.too_slow", client=self._peer, bytes=self._fed_bytes)
        self.transport.close()

    def _start_clock(self) -> None:
        if self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(REQUEST_S, self._too_slow)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
