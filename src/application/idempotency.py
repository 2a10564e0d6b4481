"""Idempotency keys: the same key with the same request gets the first answer again.

After the IETF draft ``draft-ietf-httpapi-idempotency-key-header``. The key is claimed in the same transaction
as the money, so there is no moment in which one exists without the other.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Generic, TypeVar

from application.encoding import from_json, to_json
from domain.errors import IdempotencyKeyReused, Refusal, refusal_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """A caller's key (1 to 255 printable ASCII characters) and the digest of what it was sent with."""

    key: str
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """The stored answer: the JSON of a result, or the code of a refusal. ``fingerprint`` is its request's."""

    fingerprint: bytes
    result: str | None = None
    refusal: str | None = None

    def replay(self, request: KeyedRequest, wanted: type[T]) -> T:
        """Give the first answer again.

        Raises:
            IdempotencyKeyReused: *request* is not the one that the key was first sent with.
            Refusal: the first answer was this refusal.
        """
        if not hmac.compare_digest(self.fingerprint, request.fingerprint):
            raise IdempotencyKeyReused
        if self.result is None:
            refusal = refusal_of(str(self.refusal))
            refusal.replayed = True
            raise refusal
        return from_json(self.result, wanted)


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """A result, and whether it is an earlier one given again."""

    result: T
    replayed: bool


def succeeded(request: KeyedRequest, result: object) -> Outcome:
    """The outcome that replays *result*."""
    return Outcome(request.fingerprint, result=to_json(result))


def refused(request: KeyedRequest, refusal: Refusal) -> Outcome:
    """The outcome that replays *refusal*."""
    return Outcome(request.fingerprint, refusal=refusal.code)


def fingerprint(method: str, path: str, body: object) -> bytes:
    """Digest of a request; *body* is the decoded one, so that spelling does not matter."""
    return hashlib.sha256(f"{method} {path}\n{to_json(body)}".encode()).digest()
