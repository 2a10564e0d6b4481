"""JSON of domain objects, for what is stored: the answer behind an idempotency key, the payload of an event."""

from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from domain.money import Money

T = TypeVar("T")


def _encode_money(value: object) -> str:
    if isinstance(value, Money):
        return str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


def _decode_money(wanted: type, value: object) -> Any:
    if wanted is Money and isinstance(value, str):
        return Money(Decimal(value))
    raise TypeError(f"no {wanted.__name__} in JSON")


_encoder = msgspec.json.Encoder(enc_hook=_encode_money, decimal_format="string")


def to_json(value: object) -> str:
    """The JSON of a domain object: money as text, times RFC 3339, ids as text."""
    return _encoder.encode(value).decode()


def from_json(text: str | bytes, wanted: type[T]) -> T:
    """Read back what :func:`to_json` wrote."""
    return msgspec.json.decode(text, type=wanted, dec_hook=_decode_money)
