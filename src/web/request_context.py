"""What every answer carries, whatever answers it: a request id, and headers that keep it private."""

import re
import time
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}", re.ASCII)
_PRIVATE: Final = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]

Observer = Callable[[str, str, int, float], None]
"""Hears of every answer: method, route template (empty where no route matched), status, seconds."""

log = structlog.get_logger("access")


class RequestContext:
    """The outermost ASGI layer: routes that don't exist pass through it too.

    A caller's own ``X-Request-Id`` is kept where it is plain; one log line is written for each request.
    """

    def __init__(self, app: ASGIApp, observe: Observer) -> None:
        self._app = app
        self._observe = observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope["headers"])
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        method = str(scope.get("method"))
        began = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    *(header for header in _PRIVATE if header[0] not in present),
                ]
            await send(message)

        await self._app(scope, receive, send_with_headers)
        seconds = time.perf_counter() - began
        self._observe(method, str(scope.get("path_template", "")), status, seconds)
        log.info("request", method=method, path=scope["path"], status=status, ms=round(seconds * 1000, 1))


def _request_id(headers: Any) -> str:
    sent: list[bytes] = [value for name, value in headers if name == b"x-request-id"]
    if len(sent) == 1 and _REQUEST_ID.fullmatch(sent[0]):
        return sent[0].decode()
    return uuid4().hex
