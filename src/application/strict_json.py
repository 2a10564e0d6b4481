"""Reads JSON from outside so that two readers can't see two things in it (RFC 8259, RFC 7493).

Python's own parser takes the last of two equal members, NaN, numbers beyond every float, and any depth that its
stack allows; each has let one half of a system check what the other half did not use.
"""

import json
import math
from typing import NoReturn

MAX_DEPTH = 64

JsonObject = dict[str, object]


def json_object(octets: bytes) -> JsonObject:
    """The JSON object in *octets*: UTF-8, no member twice at any depth, no NaN or Infinity, at most 64 levels deep.

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


_DECODER = json.JSONDecoder(
    object_pairs_hook=_without_duplicates, parse_float=_finite, parse_constant=_no_constant
)
