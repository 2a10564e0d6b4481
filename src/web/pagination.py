"""Cursors: opaque to clients, bound to their caller and list, and not to be forged."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from litestar.params import QueryParameter

from application.ports import Page, Row
from domain.errors import InvalidCursor

T = TypeVar("T")

_MAC_BYTES: Final = 16
_MAX_LENGTH: Final = 512

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="How many items, 1 to 100.")]
Cursor = Annotated[
    str | None,
    QueryParameter(
        description="`next_cursor` of the page before; without it the first page.", max_length=_MAX_LENGTH
    ),
]


class Cursors:
    """Makes and reads cursors with a key derived from *secret* (HKDF, RFC 5869)."""

    def __init__(self, secret: str) -> None:
        self._key = HKDF(SHA256(), 32, salt=None, info=b"lingualink cursors").derive(secret.encode())

    def write(self, position: object, *, of: object) -> str:
        """The cursor of *position* in the list that *of* names: caller, route and filters."""
        body = msgspec.json.encode(position)
        return base64.urlsafe_b64encode(self._mac(body, of) + body).decode().rstrip("=")

    def read(self, cursor: str | None, wanted: type[T], *, of: object) -> T | None:
        """The position in *cursor*; None without one.

        Raises:
            InvalidCursor: it was not made here, or for another list.
        """
        if cursor is None:
            return None
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except ValueError:
            raise InvalidCursor from None
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(body, of)):
            raise InvalidCursor
        try:
            return msgspec.json.decode(body, type=wanted)
        except msgspec.DecodeError:  # of another release's shape
            raise InvalidCursor from None

    def next(self, page: Page[Any, Any], *, of: object) -> str | None:
        """The cursor of the page after *page*; None where it is the last one."""
        return None if page.next_after is None else self.write(page.next_after, of=of)

    def page(self, page: Page[Row, Any], *, of: object, complete: Callable[[Row], Row] | None = None) -> Row:
        """*page* as it goes to the wire, each row made *complete*."""
        items = page.items if complete is None else [complete(row) for row in page.items]
        return {"items": items, "next_cursor": self.next(page, of=of)}

    def _mac(self, body: bytes, of: object) -> bytes:
        named = msgspec.json.encode(of)
        return hmac.digest(self._key, len(named).to_bytes(4, "big") + named + body, hashlib.sha256)[
            :_MAC_BYTES
        ]
