"""Bodies: what their fields look like; what came is read once, strictly; what goes is JSON already, made once.

The ``…Out`` structs say in the OpenAPI document what rows and domain objects look like; nothing is copied into them
where they have that shape already (``tests/web/test_wire.py`` holds the two together).
"""

import json
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, TypeVar, cast

import msgspec
from litestar import MediaType, Request, Response
from litestar.exceptions import InternalServerException
from litestar.types import Send
from msgspec import Meta

from application.encoding import JsonObject, distinct_members, to_json_bytes
from web.authentication import SessionRequest
from web.problems import HttpProblem
from web.query import NO_NUL, UUID_PATTERN

Out = TypeVar("Out")

MAX_BYTES: Final = 16 * 1024
_DIGITS: Final = 12
"""A length with more is too large, whatever follows."""
_TOO_LARGE: Final = ("body_too_large", "The body is too large.")
_CHARSETS: Final = {"", "utf-8", "utf8"}

UuidField = Annotated[str, Meta(pattern=UUID_PATTERN, max_length=36, extra_json_schema={"format": "uuid"})]
ReasonField = Annotated[str, Meta(min_length=1, max_length=500, pattern=NO_NUL)]
NoteField = Annotated[str, Meta(min_length=1, max_length=500, pattern=NO_NUL)]


def _amount_schema(places: int, limit: str) -> dict[str, Any]:
    return {
        "pattern": rf"^(0|[1-9][0-9]{{0,7}})(\.[0-9]{{1,{places}}})?$",
        "examples": ["12.50"],
        "description": f"Decimal, above zero, at most {limit}; never a JSON number.",
    }


# Not checked by the schema: a bad amount has a code of its own (domain.money.Money.parse).
AmountField = Annotated[str, Meta(extra_json_schema=_amount_schema(4, "99999999.9999"))]
PayoutField = Annotated[str, Meta(extra_json_schema=_amount_schema(2, "99999999.99"))]
# At least two places, and no zero beyond the second.
MONEY_PATTERN: Final = r"^-?(0|[1-9][0-9]{0,7})\.[0-9]{2}([0-9]?[1-9])?$"
MoneyText = Annotated[str, Meta(extra_json_schema={"pattern": MONEY_PATTERN, "examples": ["12.50", "0.005"]})]
# A sum over many wallets or rows.
TotalText = Annotated[
    str,
    Meta(
        extra_json_schema={"pattern": r"^-?(0|[1-9][0-9]*)\.[0-9]{2}([0-9]?[1-9])?$", "examples": ["12.50"]}
    ),
]
HashText = Annotated[str, Meta(extra_json_schema={"pattern": "^[0-9a-f]{64}$"})]


async def read_json(request: SessionRequest) -> JsonObject:
    """The body of *request*, one JSON object in UTF-8 with each field once; it is its ``payload`` then.

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
    body = await _whole_body(request)
    try:
        value = msgspec.json.decode(body)
        if body.count(b":") != _fields(value):
            json.loads(body, object_pairs_hook=distinct_members)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise HttpProblem("invalid_request", "The body is not well-formed JSON.") from None
    if not isinstance(value, dict):
        raise HttpProblem("invalid_request", "The body must be a JSON object.")
    request.payload = value
    return value


async def _whole_body(request: SessionRequest) -> bytes:
    body, more = b"", True
    while more:
        message: Any = await request.receive()
        if message["type"] == "http.disconnect":
            request.scope["state"]["disconnected"] = True
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


@dataclass(eq=False)
class Json(Response[Out]):
    """An answer whose *content* is bytes that are ready: nothing is looked for in it, and no cookie goes with it.

    An endpoint alone sends it. Litestar's own tells mappings from lists by ``typing``, which costs as much as all of
    this.
    """

    content: Out
    status_code: int | None = None
    media_type: str = MediaType.JSON.value
    headers: dict[str, str] = field(default_factory=dict)

    async def send(self, send: Send, status: int) -> None:
        """Answer; *status* where the handler named none."""
        body = cast("bytes", self.content)
        headers = [
            (b"content-type", self.media_type.encode()),
            (b"content-length", b"%d" % len(body)),
            *((name.lower().encode(), value.encode()) for name, value in self.headers.items()),
        ]
        await send({"type": "http.response.start", "status": self.status_code or status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


def wire(_: type[Out], value: object) -> Response[Out]:
    """An answer whose *value* has the shape of the struct that documents it."""
    return Json(cast("Out", to_json_bytes(value)))
