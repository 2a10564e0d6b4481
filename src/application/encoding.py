"""JSON of domain objects and rows, for what is sent and what is stored: answers, events, audit details."""

import msgspec

from domain.money import Money


def _encode_money(value: object) -> str:
    if isinstance(value, Money):
        return str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


_encoder = msgspec.json.Encoder(enc_hook=_encode_money, decimal_format="string")


def to_json_bytes(value: object) -> bytes:
    """The JSON of *value*: money as text, times RFC 3339, ids as text."""
    return _encoder.encode(value)


def to_json(value: object) -> str:
    """The same as text, as the database takes it."""
    return _encoder.encode(value).decode()
