"""What holds for every request, whatever answers it: HTTP's manners, an id, private answers, a line in the log."""

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import structlog
from litestar.types import ASGIApp, Message, Receive, Send

from web.headers import TrustedProxies
from web.problems import MEDIA_TYPE, STATUS_OF, Problem

NO_CONTENT_POLICY: Final = b"default-src 'none'; frame-ancestors 'none'"
"""For answers that are no pages: nothing in them may run, load or be framed."""
_PRIVATE: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000")
_CALLERS_ID_LENGTH: Final = 128

Observer = Callable[[str, str, str, float], None]
"""Hears of every request: method, route template (empty where no route matched), outcome, seconds.

The outcome is the status that was answered; or ``disconnected``: the client hung up in its own body; or
``cancelled``: the process went away before there was an answer.
"""

Tell = Callable[[dict[str, Any]], None]
"""Writes the line of a request into the log."""


class RequestContext:
    """The outermost ASGI layer: routes that don't exist pass through it too.

    The application sees header values without the white space around them (RFC 9110, section 5.5), a client's
    address in its one spelling, and GET for HEAD (section 9.3.2). The request's id is ours; what the caller sent as
    ``X-Request-Id`` stands beside it in the log. One line is written for each request.
    """

    def __init__(
        self, app: ASGIApp, observe: Observer, tell: Tell, proxies: TrustedProxies, release: str
    ) -> None:
        self.app = app
        self.observe = observe
        self.tell = tell
        self.proxies = proxies
        self.always = (*_PRIVATE, (b"x-release", release.encode("ascii", "replace")))

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        state: dict[str, Any] = scope.setdefault("state", {})
        answer = _Answer(scope, send, self.always)
        request_id = state["request_id"] = os.urandom(16).hex()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        callers_id, fault = _read_headers(scope)
        self.proxies.apply(scope)
        method = scope["method"]
        inner: Any = {**scope, "method": "GET"} if method == "HEAD" else scope
        outcome: int | str = ""
        try:
            if fault:
                await answer.refuse(fault)
            else:
                await self.app(inner, receive, answer.send)
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            outcome = outcome or ("disconnected" if "disconnected" in state else answer.status)
            seconds = time.perf_counter() - began
            route = inner.get("path_template", "")
            self.observe(method, route, str(outcome), seconds)
            # What leads from the request's id to the person and back.
            fields = {
                "request_id": request_id,
                "method": method,
                "path": inner["path"],
                "route": route,
                "status": outcome,
                "ms": round(seconds * 1000, 1),
            }
            if (client := inner["client"]) is not None:
                fields["client"] = client[0]
            if "user_id" in state:
                fields["user_id"] = state["user_id"]
            if callers_id is not None:
                fields["caller_request_id"] = callers_id
            self.tell(fields)


@dataclass(slots=True)
class _Answer:
    """The answer to a request on its way out, with headers that it has *always*; ``status`` is 0 until it begins."""

    scope: Any
    hand_on: Send
    always: Iterable[tuple[bytes, bytes]]
    status: int = 0

    async def send(self, message: Message) -> None:
        """Send *message*, with the headers that every answer has."""
        scope = self.scope
        if message["type"] == "http.response.start":
            self.status, state = message["status"], scope["state"]
            headers = [
                *message["headers"],
                *self.always,
                (b"x-request-id", state["request_id"].encode()),
                (b"content-security-policy", state.get("content_security_policy", NO_CONTENT_POLICY)),
                *state.get("headers", ()),
            ]
            if scope["scheme"] == "https":
                headers.append(_HSTS)
            if self.status == 405 or scope["method"] == "OPTIONS":
                headers = [_with_head(header) for header in headers]
            message["headers"] = headers
        elif message["type"] == "http.response.body" and scope["method"] == "HEAD":
            message["body"] = b""
        await self.hand_on(message)

    async def refuse(self, detail: str) -> None:
        """Answer ``invalid_request`` for what is wrong before there is a route."""
        code = "invalid_request"
        body = msgspec.json.encode(Problem.of(code, detail, self.scope["state"]["request_id"]))
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        start: Any = {"type": "http.response.start", "status": STATUS_OF[code], "headers": headers}
        await self.send(start)
        await self.send({"type": "http.response.body", "body": body, "more_body": False})


def _read_headers(scope: Any) -> tuple[str | None, str | None]:
    """Strip the values; the caller's own request id, and what is wrong for HTTP itself."""
    headers, hosts, callers_id, fault = [], 0, None, None
    for name, untrimmed in scope["headers"]:
        value = untrimmed.strip(b" \t")
        headers.append((name, value))
        if name == b"host":
            hosts += 1
        elif name == b"x-request-id":
            callers_id = value.decode("ascii", "replace")[:_CALLERS_ID_LENGTH]
        elif name == b"transfer-encoding" and value.lower() != b"chunked":
            fault = "Of transfer codings this service knows chunked alone."
    scope["headers"] = headers
    # RFC 9112, section 3.2. HTTP/1.0 had no Host.
    if hosts > 1 or (hosts == 0 and scope["http_version"] != "1.0"):
        fault = "A request has one Host header."
    return callers_id, fault


def _with_head(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    name, value = header
    if name.lower() == b"allow" and b"GET" in value and b"HEAD" not in value:
        return name, value.replace(b"GET", b"GET, HEAD")
    return header
