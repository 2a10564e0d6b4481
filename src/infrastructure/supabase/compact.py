"""Reads a compact JWS so strictly that a token has one spelling only (RFC 7515 sections 3.1 and 5.2).

Libraries read leniently here: padding, stray bits behind the last octet, duplicate members. Each of these is a second
spelling of one token, and a place where two parsers may see two tokens.
"""

import binascii
import json
import math
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import NoReturn

from infrastructure.supabase.refusals import RefusalReason, TokenRefused

MAX_TOKEN_CHARACTERS = 16 * 1024
MAX_JSON_DEPTH = 64

JsonObject = dict[str, object]


@dataclass(frozen=True, slots=True)
class CompactToken:
    """A token taken apart: nothing in it is proven yet."""

    header: JsonObject
    payload: bytes
    signing_input: bytes
    signature: bytes


def read_compact(token: str) -> CompactToken:
    """Take *token* apart: three base64url parts, of which the first is a JSON object.

    Raises:
        TokenRefused: it is anything else, a JSON-serialised or five-part token for instance.
    """
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise TokenRefused(RefusalReason.TOO_LARGE)
    parts = token.split(".", 3)
    if len(parts) != 3 or not token.isascii():
        raise TokenRefused(RefusalReason.NOT_COMPACT)
    try:
        header, payload, signature = map(base64url_decode, parts)
    except ValueError:
        raise TokenRefused(RefusalReason.NOT_BASE64URL) from None
    try:
        members = json_object(header)
    except ValueError:
        raise TokenRefused(RefusalReason.HEADER_NOT_JSON) from None
    return CompactToken(members, payload, token.rpartition(".")[0].encode(), signature)


def base64url_decode(text: str) -> bytes:
    """The octets that *text* is the canonical base64url form of (RFC 4648 sections 3.5 and 5, without padding).

    Raises:
        ValueError: it is no canonical form: padding, another alphabet, or trailing bits that are not zero.
    """
    try:
        octets = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:
        raise ValueError("not base64") from error
    # The decoder skips what it does not know; only the canonical form survives the way back.
    if urlsafe_b64encode(octets).rstrip(b"=") != text.encode():
        raise ValueError("not canonical base64url")
    return octets


def json_object(octets: bytes) -> JsonObject:
    """The JSON object in *octets*: UTF-8, no member twice at any depth, no NaN or Infinity (RFC 7519 section 4).

    Raises:
        ValueError: it is anything else, nested too deeply to read for instance.
    """
    _check_depth(octets)
    try:
        value = _DECODER.decode(octets.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one error for whatever is wrong with outside input
    return value


def _check_depth(octets: bytes) -> None:
    """Refuse at a depth of ours: how deep Python's own parser goes differs from version to version."""
    if octets.count(b"[") + octets.count(b"{") <= MAX_JSON_DEPTH:
        return
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", octets)):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_JSON_DEPTH:
            raise ValueError("nested too deeply")


def _without_duplicates(pairs: list[tuple[str, object]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member appears twice")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number out of range")
    return number


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_BRACKET = re.compile(rb"[\[\]{}]")
# The closing quote is optional, so that this matches whatever it starts on: trying again would cost quadratic time.
_STRING = re.compile(rb'"(?:[^"\\]+|\\.)*"?', re.DOTALL)
_DECODER = json.JSONDecoder(
    object_pairs_hook=_without_duplicates, parse_float=_finite, parse_constant=_no_constant
)
