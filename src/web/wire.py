"""Keyed requests and ready-made JSON: what came and what goes over the wire, each decoded and encoded once.

The ``…Out`` structs say in the OpenAPI document what rows and domain objects look like; nothing is copied into them
where they have that shape already (``tests/web/test_wire.py`` holds the two together).
"""

from typing import Any, TypeVar, cast

import msgspec
from litestar import MediaType, Request, Response
from litestar.datastructures import ResponseHeader
from litestar.types import Receive, Scope, Send
from typing_extensions import override

from application.encoding import to_json, to_json_bytes
from application.idempotency import IdempotencyKey, StoredResponse, fingerprint
from domain.approvals import Approval
from domain.errors import Refusal
from web.headers import idempotency_key
from web.problems import MEDIA_TYPE, STATUS_OF, TITLES, TYPE_PREFIX

Out = TypeVar("Out")


class Json(Response[Out]):
    """An answer whose bytes are ready; what Litestar's own would look for in them is known."""

    @override
    def to_asgi_response(self, *_: Any, status_code: int | None = None, **__: Any) -> Any:
        status = self.status_code or status_code or 200
        body = cast("bytes", self.content)
        headers = [
            (b"content-type", (self.media_type or MediaType.JSON.value).encode()),
            (b"content-length", b"%d" % len(body)),
            *((name.lower().encode(), value.encode()) for name, value in self.headers.items()),
        ]

        async def respond(_: Scope, __: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})

        return respond


REPLAYED = ResponseHeader(
    name="Idempotency-Replayed",
    documentation_only=True,
    description="`true` where this is the answer to an earlier request with the same key.",
)


def wire(_: type[Out], value: object) -> Response[Out]:
    """An answer whose *value* has the shape of the struct that documents it."""
    return Json(cast("Out", to_json_bytes(value)))


async def keyed(request: Request[Any, Any, Any]) -> IdempotencyKey[Any]:
    """The request's key, with the digest of its method, path and body.

    Raises:
        IdempotencyKeyMissing, IdempotencyKeyInvalid: see :func:`web.headers.idempotency_key`.
    """
    digest = fingerprint(request.method, request.scope["path"], await request.body())
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
