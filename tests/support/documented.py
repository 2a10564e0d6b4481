"""Holds every answer of the backend against docs/openapi.json: status, code and headers."""

import json
import re
from pathlib import Path
from typing import Any, Final

from litestar.types import ASGIApp, Message, Receive, Scope, Send

DOCUMENT: Final = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())
OURS: Final = {
    *("allow", "idempotency-replayed", "ratelimit", "ratelimit-policy", "retry-after"),
    *("www-authenticate", "x-release", "x-request-id"),
}
"""Headers that clients program against."""

undocumented: list[str] = []
"""What was answered and is not in the document; each test must leave it empty."""

_PATHS: Final = [
    (re.compile(re.sub(r"\{[^}]+\}", "[^/]+", path)), operations)
    for path, operations in sorted(DOCUMENT["paths"].items(), key=lambda item: item[0].count("{"))
]


class Documented:
    """An ASGI layer around the backend that notes in :data:`undocumented` what the document does not have."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        answer: dict[str, Any] = {"body": b""}

        async def listening(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.update(message)
            elif message["type"] == "http.response.body":
                answer["body"] += message.get("body", b"")
            await send(message)

        await self._app(scope, receive, listening)
        if "status" in answer:
            method, path = str(scope["method"]), scope["path"]  # type: ignore[typeddict-item]
            undocumented.extend(f"{method} {path}: {fault}" for fault in faults_of(method, path, answer))


def faults_of(method: str, path: str, answer: dict[str, Any]) -> list[str]:
    """What of *answer* (``status``, ``headers`` and ``body``) the document does not say; nothing for unknown routes."""
    operations: dict[str, Any] = next((found for form, found in _PATHS if form.fullmatch(path)), {})
    operation = operations.get("get" if method == "HEAD" else method.lower())
    if operation is None:
        return []
    response = operation["responses"].get(str(answer["status"]))
    if response is None:
        return [f"status {answer['status']} {answer['body'].decode()}"]
    sent = {name.decode().lower(): value.decode() for name, value in answer["headers"]}
    told = {name.lower(): _header(header) for name, header in response.get("headers", {}).items()}
    missing = {name for name, header in told.items() if header.get("required")} - sent.keys()
    faults = [f"header {name} is not documented" for name in sorted((sent.keys() & OURS) - told.keys())]
    faults += [f"header {name} is missing" for name in sorted(missing)]
    return faults + _body_faults(response, sent.get("content-type", ""), answer["body"], method)


def _header(header: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = header
    if reference := header.get("$ref"):
        found = DOCUMENT["components"]["headers"][reference.rpartition("/")[2]]
    return found


def _body_faults(response: dict[str, Any], content_type: str, body: bytes, method: str) -> list[str]:
    media_type = content_type.partition(";")[0]
    content = response.get("content", {})
    if content and media_type not in content:
        return [f"content type {content_type}"]
    if media_type != "application/problem+json" or method == "HEAD":
        return []
    code = json.loads(body)["code"]
    named = content[media_type]["schema"]["allOf"][1]["properties"]["code"]["enum"]
    return [] if code in named else [f"code {code}"]
