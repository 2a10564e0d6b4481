"""The request headers that routes understand."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from litestar import Request
from litestar.params import HeaderParameter

from domain.audit import RequestInfo
from domain.errors import IdempotencyKeyInvalid, IdempotencyKeyMissing
from web.client_address import canonical_address
from web.problems import HttpProblem

_PRINTABLE: Final = re.compile(r"[\x20-\x7e]{1,255}", re.ASCII)
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_VERSION: Final = re.compile(r'"([1-9][0-9]{0,9})"', re.ASCII)

# Declared for the OpenAPI document; the functions below read the header itself, so that a repeated one is seen.
IdempotencyKeyHeader = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        description="Required. 1 to 255 printable ASCII characters, made by the client and kept across retries.",
    ),
]
IfMatchHeader = Annotated[
    str | None,
    HeaderParameter(
        name="If-Match", description='The version of the post that was seen: `"3"`. Required to approve.'
    ),
]


def values_of(scope: Mapping[str, Any], name: bytes) -> list[bytes]:
    """The values of the header *name* (lower case), one for each time that it stands in the request."""
    return [value for sent, value in scope["headers"] if sent == name]


def idempotency_key(request: Request[Any, Any, Any]) -> str:
    """The request's key; its bare and its quoted spelling (RFC 8941 string) are one key.

    Raises:
        IdempotencyKeyMissing: there is none.
        IdempotencyKeyInvalid: several, empty, too long, or not printable ASCII.
    """
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
    return key


def seen_version(request: Request[Any, Any, Any]) -> int | None:
    """The version in ``If-Match`` (RFC 9110, section 13.1.1); None without the header.

    Raises:
        HttpProblem: it is not one quoted version.
    """
    sent = values_of(request.scope, b"if-match")
    if not sent:
        return None
    version = _VERSION.fullmatch(sent[0].decode("latin-1"))
    if len(sent) > 1 or version is None:
        raise HttpProblem("invalid_request", 'If-Match is one quoted version, such as "3".')
    return int(version.group(1))


def request_info(request: Request[Any, Any, Any]) -> RequestInfo:
    """Where the request came from, for the audit log: our id of it, and the client's address if it is one."""
    client = request.scope["client"]
    return RequestInfo(
        request_id=str(request.scope["state"]["request_id"]),
        client_address=None if client is None else canonical_address(client[0]),
    )
