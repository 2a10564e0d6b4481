"""Idempotency keys: the same key with the same request gets the first answer again.

After the IETF draft ``draft-ietf-httpapi-idempotency-key-header``. The key is claimed in the same transaction
as the money, so there is no moment in which one exists without the other. Both what is compared and what is given
again are of the wire, so that a key outlives a release: what a newer version would say plays no part.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, Generic, TypeVar

import msgspec

from application.encoding import JsonObject
from domain.errors import IdempotencyKeyReused, Refusal

T_contra = TypeVar("T_contra", contravariant=True)

IDEMPOTENCY_KEY_TTL: Final = timedelta(days=30)
NOT_FOUND_KEY_TTL: Final = timedelta(hours=1)
"""How long a key stands for a 404: what was not there may come to be."""
KEYS_PER_DAY: Final = 10_000
"""How many keys younger than a day one user may have."""

_AMOUNT: Final = re.compile(r"[0-9]{1,8}\.[0-9]{1,4}", re.ASCII)


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """An answer as it goes over the wire: HTTP status and JSON body; ``replayed`` where it is given again."""

    status: int
    body: str
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class IdempotencyKey(Generic[T_contra]):
    """A caller's key (1 to 255 printable ASCII characters), and the digest of what it was sent with.

    ``to_response`` makes the bytes of the wire from what the use-case answers: a result, or a refusal that sticks.
    """

    key: str
    fingerprint: bytes
    to_response: Callable[[T_contra | Refusal], StoredResponse]


@dataclass(frozen=True, slots=True)
class IdempotencyRecord:
    """What a key stands for: the fingerprint of its first request, and the answer to it."""

    fingerprint: bytes
    response: StoredResponse

    def replay(self, key: IdempotencyKey[Any]) -> StoredResponse:
        """The first answer again.

        Raises:
            IdempotencyKeyReused: *key* came with another request than the first time.
        """
        if not hmac.compare_digest(self.fingerprint, key.fingerprint):
            raise IdempotencyKeyReused
        return replace(self.response, replayed=True)


def fingerprint(method: str, path: str, body: JsonObject) -> bytes:
    """Digest of a request: its method, its path, and its *body* in canonical JSON.

    Canonical: members sorted, none that is null, no white space, and an ``amount`` without zeros that say nothing,
    so ``"4"`` is ``"4.00"``. This form never changes: keys of older releases are compared with it.
    """
    canonical = msgspec.json.encode(_canonical(body), order="sorted")
    return hashlib.sha256(f"{method} {path}\n".encode() + canonical).digest()


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _plain_amount(member) if name == "amount" else _canonical(member)
            for name, member in value.items()
            if member is not None
        }
    return [_canonical(item) for item in value] if isinstance(value, list) else value


def _plain_amount(value: Any) -> Any:
    if isinstance(value, str) and _AMOUNT.fullmatch(value):
        return value.rstrip("0").rstrip(".")
    return _canonical(value)
