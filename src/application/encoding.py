"""JSON of domain objects and rows, and JSON from outside, which two readers must not read in two ways."""

import json
import math
from typing import NoReturn

import msgspec

from domain.money import Money

MAX_DEPTH = 64

JsonObject = dict[str, object]


def _encode_money(value: object) -> str:
    if isinstance(value, Money):
        return str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


to_json_bytes = msgspec.json.Encoder(enc_hook=_encode_money, decimal_format="string").encode
"""The JSON of a value: money as text, times RFC 3339, ids as text."""


def to_json(value: object) -> str:
    """The same as text, as the database takes it."""
    return to_json_bytes(value).decode()


def json_object(octets: bytes) -> JsonObject:
    """The JSON object in *octets*: UTF-8, no member twice at any depth, no NaN or Infinity, at most 64 levels deep.

    Python's own parser takes the last of two equal members, NaN, numbers beyond every float, and any depth that its
    stack allows (RFC 8259 and 7493 leave all of it open); each has let one half of a system check what the other half
    did not use.

    Raises:
        ValueError: it is anything else.
    """
    try:
        value = _DECODER.decode(octets.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - one error for whatever is wrong with outside input
    if octets.count(b"[") + octets.count(b"{") > MAX_DEPTH and _is_deeper(value, MAX_DEPTH):
        raise ValueError("nested too deeply")
    return value


def _is_deeper(value: object, levels: int) -> bool:
    """A depth of ours: how deep Python's parser goes differs from version to version."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(one, levels - 1) for one in inner)


def distinct_members(pairs: list[tuple[str, object]]) -> JsonObject:
    """The object of *pairs*, for a parser's ``object_pairs_hook``.

    Raises:
        ValueError: a member appears twice.
    """
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


_DECODER = json.JSONDecoder(
    object_pairs_hook=distinct_members, parse_float=_finite, parse_constant=_no_constant
)
