"""Reads a JSON body once, strictly, before its schema is looked at."""

import json
from typing import Any, Final

from litestar import Request

from web.problems import RequestError

MAX_BYTES: Final = 16 * 1024
_MEDIA_TYPES: Final = {("application/json", None), ("application/json", "utf-8")}


async def strict_json(request: Request[Any, Any, Any]) -> None:
    """A ``before_request`` hook: refuse what is not one JSON object in UTF-8, with each field once.

    Raises:
        RequestError: ``unsupported_media_type`` or ``invalid_request``.
    """
    media_type, parameters = request.content_type
    if (media_type, parameters.get("charset", "").lower() or None) not in _MEDIA_TYPES:
        raise RequestError("unsupported_media_type", "Send JSON: Content-Type: application/json.")
    body = await request.body()
    try:
        value = json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise RequestError("invalid_request", "The body is not well-formed JSON.") from None
    if not isinstance(value, dict):
        raise RequestError("invalid_request", "The body must be a JSON object.")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field stands twice")
    return fields


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
