"""One request and its answer, between a connection and an ASGI application (ASGI 3.0, HTTP).

An answer is one write: its head waits for the first part of its body.
"""

import asyncio
from collections.abc import Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final, Protocol, cast

import msgspec
import structlog
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.server import ServerState

from web.problems import MEDIA_TYPE, STATUS_OF, TITLES, UNAVAILABLE_RETRY_S, Problem

_NO_VALUE: Final = bytes({*range(0x20), 0x7F} - {0x09})
"""What a header's value has none of (RFC 9110, section 5.5): with it, one value could become two headers."""
_VALUE: Final = bytes(set(range(0x100)) - set(_NO_VALUE))
_TOKEN: Final = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"

log = structlog.get_logger(__name__)


class Connection(Protocol):
    """What an exchange needs of its connection."""

    transport: asyncio.Transport
    state: ServerState

    @property
    def flow(self) -> FlowControl:
        """When to read and write."""
        ...

    def answered(self, exchange: "Exchange") -> None:
        """The exchange is complete."""
        ...


class Exchange:
    """A request as it arrives, and the one answer to it."""

    __slots__ = (
        *("_body", "_chunked", "_connection", "_expects_continue", "_head", "_left", "_more", "_news"),
        *("complete", "disconnected", "keep_alive", "scope"),
    )

    def __init__(
        self, connection: Connection, scope: dict[str, Any], *, keep_alive: bool, expects_continue: bool
    ) -> None:
        self.scope = scope
        self.keep_alive = keep_alive
        self.complete = False
        self.disconnected = False
        self._connection = connection
        self._expects_continue = expects_continue
        self._news = asyncio.Event()
        self._body = bytearray()
        self._more = True
        self._head: bytes | None = None  # of the answer; empty once it is written
        self._chunked = False
        self._left = 0  # bytes that the answer's Content-Length promises

    @property
    def begun(self) -> bool:
        """Whether any of the answer is on its way."""
        return self._head == b""

    # ---------------------------------------------------------------- the request

    def feed(self, body: bytes) -> bool:
        """Take a part of the body; whether there is room for more."""
        if self.complete:
            return True
        self._body += body
        self._news.set()
        return len(self._body) <= HIGH_WATER_LIMIT

    def feed_eof(self) -> None:
        """The request is there."""
        self._more = False
        self._news.set()

    def hang_up(self) -> None:
        """Nobody waits for the answer any more: it goes nowhere."""
        self.disconnected = not self.complete
        self._news.set()

    # ---------------------------------------------------------------- the application's side

    async def run(self, app: Any) -> None:
        """Have *app* answer. It must: where it fails to, the client gets ``internal_error``, or a cut.

        A client whose request is cancelled gets ``unavailable``: another process can tell what became of it.
        """
        try:
            await app(self.scope, self.receive, self.send)
        except asyncio.CancelledError:
            self._fail("unavailable")
        except BaseException:
            log.exception("request.crashed")
            self._fail()
        else:
            if not self.complete and not self.disconnected:
                log.error("request.unanswered")
                self._fail()
        finally:
            # Here rather than in a callback of the task, which would be a turn of the loop more.
            self._connection.state.tasks.discard(cast("Any", asyncio.current_task()))

    async def receive(self) -> dict[str, Any]:
        """The next part of the request; ``http.disconnect`` once there is nobody to answer, or nothing to say."""
        connection = self._connection
        if self._expects_continue and self._head is None and not connection.transport.is_closing():
            connection.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._expects_continue = False
        if not self._news.is_set() and not self.complete:
            connection.flow.resume_reading()
            await self._news.wait()
        self._news.clear()
        if self.disconnected or self.complete:
            self._news.set()
            return {"type": "http.disconnect"}
        body, self._body = bytes(self._body), bytearray()
        return {"type": "http.request", "body": body, "more_body": self._more}

    async def send(self, message: dict[str, Any]) -> None:
        """Take the next part of the answer.

        Raises:
            RuntimeError: it is no part of an answer to this request; what was not written is not.
        """
        if self._connection.flow.write_paused and not self.disconnected:
            await self._connection.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.start" and self._head is None:
            self._head = self._begin(message["status"], message.get("headers", ()))
        elif kind == "http.response.body" and self._head is not None and not self.complete:
            self._write(self._head, message.get("body", b""), more=message.get("more_body", False))
        else:
            raise RuntimeError(f"{kind} is not what comes next")

    # ---------------------------------------------------------------- the answer

    def _begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The head of the answer."""
        values, lines, length = [], [_status_line(status)], None
        for name, value in (*self._connection.state.default_headers, *headers):
            field = _field(name)
            if field == b"content-length: ":
                length = int(value)
            elif field == b"connection: ":
                self.keep_alive = self.keep_alive and b"close" not in value.lower()
                continue
            values.append(value)
            lines += (field, value, b"\r\n")
        if b"".join(values).translate(None, _VALUE):
            raise RuntimeError("a header of the answer holds what no header may")
        if not self.keep_alive:
            lines.append(b"connection: close\r\n")
        if length is None and status not in _WITHOUT_BODY and self.scope["method"] != "HEAD":
            self._chunked = True
            lines.append(b"transfer-encoding: chunked\r\n")
        self._left = 0 if length is None or self.scope["method"] == "HEAD" else length
        lines.append(b"\r\n")
        return b"".join(lines)

    def _write(self, head: bytes, body: bytes, *, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            body = b""
        elif self._chunked:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")
        else:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("the answer is not as long as its Content-Length says")
        self._head = b""
        self._connection.transport.write(head + body)
        if not more:
            self._end()

    def _fail(self, code: str = "internal_error") -> None:
        """End an exchange that the application left open."""
        self.keep_alive = False
        if not self.begun and not self.disconnected:
            request_id = self.scope.get("state", {}).get("request_id", "")
            self._connection.transport.write(problem_bytes(code, request_id))
        self._end()

    def _end(self) -> None:
        if not self.complete:
            self.complete = True
            self._news.set()
            self._connection.answered(self)


_WITHOUT_BODY: Final = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


def problem_bytes(code: str, request_id: str) -> bytes:
    """A whole answer for where there is no application: the problem that *code* stands for. The connection closes."""
    body = msgspec.json.encode(Problem.of(code, TITLES[code], request_id))
    later = b"retry-after: %d\r\n" % UNAVAILABLE_RETRY_S if code == "unavailable" else b""
    head = (
        b"content-type: %b\r\ncontent-length: %d\r\ncache-control: no-store\r\n%b"
        b"x-request-id: %b\r\nconnection: close\r\n\r\n"
    )
    return (
        _status_line(STATUS_OF[code])
        + head % (MEDIA_TYPE.encode(), len(body), later, request_id.encode())
        + body
    )


@lru_cache(128)
def _status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()


@lru_cache(256)
def _field(name: bytes) -> bytes:
    """*name* as it goes out, in lower case and with its colon."""
    lower = name.lower()
    if not lower or lower.translate(None, _TOKEN):
        raise RuntimeError("a header of the answer has a name that no header may have")
    return lower + b": "
