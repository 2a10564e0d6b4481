"""Bodies: what came is read once, strictly; what goes is JSON already, made once.

The ``…Out`` structs say in the OpenAPI document what rows and domain objects look like; nothing is copied into them
where they have that shape already (``tests/web/test_wire.py`` holds the two together).
"""

import json
from typing import Any, Final, TypeVar, cast

import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import InternalServerException
from litestar.types import Send

from application.encoding import distinct_members, to_json, to_json_bytes
from application.idempotency import IdempotencyKey, StoredResponse, fingerprint
from domain.approvals import Approval
from domain.errors import Refusal
from web.authentication import SessionRequest
from web.headers import idempotency_key
from web.problems import MEDIA_TYPE, STATUS_OF, TITLES, TYPE_PREFIX, HttpProblem

Out = TypeVar("Out")

MAX_BYTES: Final = 16 * 1024
_DIGITS: Final = 12
"""A length with more is too large, whatever follows."""
_TOO_LARGE: Final = ("body_too_large", "The body is too large.")
_CHARSETS: Final = {"", "utf-8", "utf8"}


async def read_json(request: SessionRequest) -> dict[str, Any]:
    """The body of *request*, one JSON object in UTF-8 with each field once; its bytes are in ``request.raw`` then.

    Raises:
        HttpProblem: ``unsupported_media_type``, ``body_too_large`` or ``invalid_request``.
        InternalServerException: the client hung up.
    """
    sent = request.scope["headers"]
    media_types = [value for name, value in sent if name == b"content-type"]
    if len(media_types) != 1 or (media_types[0] != b"application/json" and not _is_json(request)):
        raise HttpProblem("unsupported_media_type", "Send JSON: Content-Type: application/json.")
    if any(name == b"content-length" and int(value[:_DIGITS]) > MAX_BYTES for name, value in sent):
        raise HttpProblem(*_TOO_LARGE)  # before it is asked for
    body = request.raw = await _whole_body(request)
    try:
        value = msgspec.json.decode(body)
        if body.count(b":") != _fields(value):
            json.loads(body, object_pairs_hook=distinct_members)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise HttpProblem("invalid_request", "The body is not well-formed JSON.") from None
    if not isinstance(value, dict):
        raise HttpProblem("invalid_request", "The body must be a JSON object.")
    return value


async def _whole_body(request: SessionRequest) -> bytes:
    body, more = b"", True
    while more:
        message: Any = await request.receive()
        if message["type"] == "http.disconnect":
            raise InternalServerException("the client hung up")
        body += message["body"]
        if len(body) > MAX_BYTES:
            raise HttpProblem(*_TOO_LARGE)
        more = message.get("more_body", False)
    return body


def _is_json(request: Request[Any, Any, Any]) -> bool:
    media_type, parameters = request.content_type
    charset = parameters.get("charset", "").strip('"').lower()
    return media_type.lower() == "application/json" and charset in _CHARSETS


def _fields(value: Any) -> int:
    """How many fields *value* has, at all depths.

    Each field stands in the text with a colon of its own, so as many colons as fields mean that no field stands
    twice; where there are more, a string holds one or a field is repeated, and only a slower look can tell.
    """
    if isinstance(value, dict):
        return len(value) + sum(_fields(part) for part in value.values() if isinstance(part, dict | list))
    return sum(map(_fields, value)) if isinstance(value, list) else 0


class Json(Response[Out]):
    """An answer whose *content* is bytes that are ready: nothing is looked for in it, and no cookie goes with it."""

    def __init__(
        self,
        content: Out,
        status_code: int | None = None,
        media_type: str = MediaType.JSON.value,
        headers: dict[str, str] | None = None,
    ) -> None:
        # Litestar's own tells mappings from lists by ``typing``, which costs as much as all of this.
        self.background, self.cookies, self.encoding = None, [], "utf-8"
        self.content = content
        self.headers = headers or {}
        self.media_type = media_type
        self.response_type_encoders = {}
        self.status_code = status_code

    async def send(self, send: Send, status: int) -> None:
        """Answer; *status* where the handler named none."""
        body = cast("bytes", self.content)
        headers = [
            (b"content-type", str(self.media_type).encode()),
            (b"content-length", b"%d" % len(body)),
            *((name.lower().encode(), value.encode()) for name, value in self.headers.items()),
        ]
        await send({"type": "http.response.start", "status": self.status_code or status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def wire(_: type[Out], value: object) -> Response[Out]:
    """An answer whose *value* has the shape of the struct that documents it."""
    return Json(cast("Out", to_json_bytes(value)))


def keyed(request: SessionRequest) -> IdempotencyKey[Any]:
    """The request's key, with the digest of its method, path and body.

    Raises:
        IdempotencyKeyMissing, IdempotencyKeyInvalid: see :func:`web.headers.idempotency_key`.
    """
    digest = fingerprint(request.method, request.scope["path"], request.raw)
    return IdempotencyKey(idempotency_key(request), digest, _to_response)


def _to_response(answer: object) -> StoredResponse:
    """What goes over the wire; a refusal without the id of the request, for each request has its own."""
    if not isinstance(answer, Refusal):
        return StoredResponse(202 if isinstance(answer, Approval) else 201, to_json(answer))
    status = STATUS_OF[answer.code]
    problem = {
        "type": TYPE_PREFIX + answer.code,
        "title": TITLES[answer.code],
        "status": status,
        "detail": str(answer),
        "code": answer.code,
    }
    return StoredResponse(status, to_json(problem))


def sent(_: type[Out], request: Request[Any, Any, Any], answer: StoredResponse) -> Response[Out]:
    """The answer to a keyed request, given for the first time or again."""
    body, media_type = answer.body.encode(), MediaType.JSON.value
    if answer.status >= 400:
        problem = {**msgspec.json.decode(body), "request_id": request.scope["state"]["request_id"]}
        body, media_type = to_json_bytes(problem), MEDIA_TYPE
    headers = {"Idempotency-Replayed": "true"} if answer.replayed else None
    return Json(cast("Out", body), status_code=answer.status, media_type=media_type, headers=headers)
