"""The ``Idempotency-Key`` of a request, and the answer that it stands for, as it goes over the wire."""

import re
from typing import Annotated, Any, Final, TypeVar, cast

import msgspec
from litestar import MediaType, Request, Response
from litestar.params import HeaderParameter

from application.encoding import to_json, to_json_bytes
from application.idempotency import IdempotencyKey, StoredResponse, fingerprint
from domain.approvals import Approval
from domain.errors import IdempotencyKeyInvalid, IdempotencyKeyMissing, Refusal
from web.authentication import SessionRequest
from web.bodies import Json
from web.headers import values_of
from web.problems import MEDIA_TYPE, STATUS_OF, TITLES, TYPE_PREFIX

Out = TypeVar("Out")

_PRINTABLE: Final = re.compile(r"[\x20-\x7e]{1,255}", re.ASCII)
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\["\\])*)"')

# Declared for the OpenAPI document; the header itself is read below, so that a repeated one is seen.
IdempotencyKeyHeader = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="Required. 1 to 255 printable ASCII characters, made by the client and kept across retries.",
    ),
]


def keyed(request: SessionRequest) -> IdempotencyKey[Any]:
    """The request's key, with the digest of its method, path and body.

    The bare and the quoted spelling (RFC 8941 string) are one key.

    Raises:
        IdempotencyKeyMissing: there is none.
        IdempotencyKeyInvalid: several, empty, too long, or not printable ASCII.
    """
    digest = fingerprint(request.method, request.scope["path"], request.payload)
    sent = values_of(request.scope, b"idempotency-key")
    if not sent:
        raise IdempotencyKeyMissing
    key = sent[0].decode("latin-1")
    if key.startswith('"'):
        quoted = _QUOTED.fullmatch(key)
        if quoted is None:
            raise IdempotencyKeyInvalid
        key = re.sub(r"\\(.)", r"\1", quoted.group(1))
    if len(sent) > 1 or not _PRINTABLE.fullmatch(key):
        raise IdempotencyKeyInvalid
    return IdempotencyKey(key, digest, _to_response)


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
    headers = {"Idempotency-Replayed": "true"} if answer.replayed else {}
    return Json(cast("Out", body), status_code=answer.status, media_type=media_type, headers=headers)
