"""Reads a JSON body once, strictly, before its schema is looked at."""

import json
from typing import Any, Final

from litestar import Request
from litestar.exceptions import SerializationException

from web.headers import values_of
from web.problems import HttpProblem

MAX_BYTES: Final = 16 * 1024
_CHARSETS: Final = {"", "utf-8", "utf8"}


async def strict_json(request: Request[Any, Any, Any]) -> None:
    """A ``before_request`` hook: refuse what is not one JSON object in UTF-8, with each field once.

    The value is parsed here once; Litestar, and ``await request.json()``, find it parsed.

    Raises:
        HttpProblem: ``unsupported_media_type`` or ``invalid_request``.
    """
    sent = values_of(request.scope, b"content-type")
    if len(sent) != 1 or (sent[0] != b"application/json" and not _is_json(request)):
        raise HttpProblem("unsupported_media_type", "Send JSON: Content-Type: application/json.")
    body = await request.body()
    try:
        value = await request.json()
        if body.count(b":") != _fields(value):
            _refuse_repeated_fields(body)
    except (SerializationException, ValueError, RecursionError):
        raise HttpProblem("invalid_request", "The body is not well-formed JSON.") from None
    if not isinstance(value, dict):
        raise HttpProblem("invalid_request", "The body must be a JSON object.")


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


def _refuse_repeated_fields(body: bytes) -> None:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        fields = dict(pairs)
        if len(fields) != len(pairs):
            raise ValueError("a field stands twice")
        return fields

    json.loads(body, object_pairs_hook=once)
