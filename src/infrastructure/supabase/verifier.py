"""Tells a Supabase access token from anything else, keeps what it verified, and tells the log why it rejected.

PyJWT verifies the signature and msgspec types the claims. Beside them stands what libraries let pass and Supabase Auth
never makes: another type, a key that comes with the token, a second spelling of one token.

Sources: RFC 7515 section 5.2, RFC 7519 section 7.2, RFC 8725 section 3; Supabase docs, JWTs and JWT Signing Keys.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, Protocol

import structlog
from jwt.utils import base64url_decode

from application.encoding import JsonObject, json_object
from domain.errors import ExpiredToken, InvalidToken, Unavailable
from domain.identity import Principal
from infrastructure.supabase.claims import (
    RejectionReason,
    TokenRejected,
    TokenRules,
    VerifiedToken,
    read_claims,
)
from infrastructure.supabase.jwks import (
    BASE64URL,
    LEGACY_ALGORITHM,
    MAX_KEY_ID_CHARACTERS,
    KeySet,
    SigningKey,
    shared_secret,
)
from infrastructure.supabase.jwks_client import JwksClient

MAX_TOKEN_CHARACTERS: Final = 16 * 1024

# A key that comes with the token proves nothing (RFC 8725 section 3.10); what is critical, encrypted, compressed,
# detached or nested is no access token.
_FORBIDDEN_MEMBERS = frozenset(
    {"crit", "b64", "jwk", "jku", "x5u", "x5c", "x5t", "x5t#S256", "enc", "zip", "epk", "cty"}
)

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class TokenObserver(Protocol):
    """Counts what comes of tokens."""

    def token_verified(self, algorithm: str) -> None:
        """A token that was not seen before is good; its key signs with *algorithm*."""
        ...

    def token_rejected(self, reason: RejectionReason) -> None:
        """A token proved nothing."""
        ...


class SupabaseTokenVerifier:
    """Tells a Supabase access token from anything else.

    A token that was verified is not verified again while the keys stay the same; its time is looked at every time. So
    the memory changes the cost of an answer, and never the answer. It holds a digest, not the token.
    """

    def __init__(
        self,
        source: JwksClient,
        rules: TokenRules,
        *,
        remember: int = 4096,
        now: Callable[[], float] = time.time,
        observer: TokenObserver | None = None,
    ) -> None:
        self._source = source
        self._rules = rules
        self._now = now
        self._observer = observer
        self._remember = remember
        self._verified: OrderedDict[bytes, VerifiedToken] = OrderedDict()  # used last at the end
        self._verified_by: KeySet | None = None
        self.legacy_accepted_at: datetime | None = None
        """When a token under the project's legacy secret was last good (UTC)."""

    async def prepare(self) -> bool:
        """Fetch the keys if they are due, and say whether any are known; for start-up and readiness probes.

        A service that is not ready gets no requests, so the probe must be what finds the keys.
        """
        with suppress(Unavailable):
            await self._source.current()
        return self._source.known

    async def verify(self, token: str) -> Principal:
        """Who signed in, as *token* proves.

        Raises:
            ExpiredToken: it was good once.
            InvalidToken: it is anything else; the reason is logged and counted, never told.
            Unavailable: no signing key is known.
        """
        # A name for the token. Of what is too long to be one, no more is read than shows that.
        digest = sha256(token[: MAX_TOKEN_CHARACTERS + 1].encode(errors="surrogatepass")).digest()
        try:
            keys = await self._source.current()
            if keys is not self._verified_by:
                self._forget_all(keys)
            verified = self._verified.get(digest)
            if verified is None:
                verified = await self._verify(token, digest, keys)
            else:
                self._verified.move_to_end(digest)
                verified.check_time(self._now(), self._rules.leeway)
        except TokenRejected as rejection:
            self._verified.pop(digest, None)
            _log.info("token_rejected", reason=rejection.reason.value)
            if self._observer is not None:
                self._observer.token_rejected(rejection.reason)
            is_expired = rejection.reason is RejectionReason.EXPIRED
            raise (ExpiredToken() if is_expired else InvalidToken()) from None
        if verified.algorithm == LEGACY_ALGORITHM:
            self.legacy_accepted_at = datetime.fromtimestamp(self._now(), UTC)
        return verified.principal

    async def aclose(self) -> None:
        """Let go of connections and tasks."""
        await self._source.aclose()

    async def _verify(self, token: str, digest: bytes, keys: KeySet) -> VerifiedToken:
        """Verify a token that was not seen before, with newer keys where it names one that is not known yet."""
        try:
            verified = verify(token, keys, self._rules, self._now())
        except TokenRejected as rejection:
            if rejection.reason is not RejectionReason.KEY_UNKNOWN:
                raise
            keys = await self._source.newer_than(keys)
            verified = verify(token, keys, self._rules, self._now())
        if keys is not self._verified_by:
            self._forget_all(keys)
        self._verified[digest] = verified
        if len(self._verified) > self._remember:
            self._verified.popitem(last=False)
        if self._observer is not None:
            self._observer.token_verified(verified.algorithm)
        return verified

    def _forget_all(self, keys: KeySet) -> None:
        """A key came or went, and may have been revoked; *keys* verify from now on."""
        self._verified.clear()
        self._verified_by = keys


def token_verifier(
    rules: TokenRules,
    *,
    jwks_url: str,
    jwt_secret: str | None = None,
    local_development: bool = False,
    observer: TokenObserver | None = None,
) -> SupabaseTokenVerifier:
    """The verifier that a configuration asks for: with *jwt_secret* HS256 beside the published keys, without it none.

    Raises:
        ValueError: the secret or the address may not be used; the message names neither.
    """
    secret = (
        shared_secret(jwt_secret, local_development=local_development) if jwt_secret is not None else None
    )
    source = JwksClient(jwks_url, secret=secret, local_development=local_development)
    return SupabaseTokenVerifier(source, rules, observer=observer)


def verify(token: str, keys: KeySet, rules: TokenRules, now: float) -> VerifiedToken:
    """What *token* proves at *now* (seconds since 1970), if one of *keys* signed it and it follows *rules*.

    Raises:
        TokenRejected: it proves nothing. EXPIRED means that it was good once: nothing else is wrong with it.
    """
    header, payload, signature = _parts(token)
    key = find_key(_header(header), keys)
    # PyJWS.decode does the same after reading header and alphabet once more: 40 of 150 µs.
    if not key.material.Algorithm.verify(token.rpartition(".")[0].encode(), key.material.key, signature):
        raise TokenRejected(RejectionReason.SIGNATURE_WRONG)
    verified = read_claims(payload, rules, key.algorithm)
    verified.check_time(now, rules.leeway)
    return verified


def _parts(token: str) -> tuple[bytes, bytes, bytes]:
    """Header, payload and signature, each in its one spelling: no padding, no stray bits (RFC 4648 section 3.5)."""
    if len(token) > MAX_TOKEN_CHARACTERS:
        raise TokenRejected(RejectionReason.TOO_LARGE)
    parts = token.split(".", 3)
    if len(parts) != 3 or not token.isascii():
        raise TokenRejected(RejectionReason.NOT_COMPACT)
    if not all(BASE64URL.fullmatch(part) for part in parts):
        raise TokenRejected(RejectionReason.NOT_BASE64URL)
    header, payload, signature = map(base64url_decode, parts)
    return header, payload, signature


def _header(octets: bytes) -> JsonObject:
    try:
        return json_object(octets)
    except ValueError:
        raise TokenRejected(RejectionReason.HEADER_NOT_JSON) from None


def find_key(header: JsonObject, keys: KeySet) -> SigningKey:
    """The key that *header* names; the key decides the algorithm, and the header must agree.

    While a project moves from its shared secret to signing keys, both are good. A token can't mix them up: a ``kid``
    of the set means that key alone, and the secret verifies only what says HS256 and names no key of the set.

    Raises:
        TokenRejected: the header asks for anything else. KEY_UNKNOWN only if a key might still be published.
    """
    if not _FORBIDDEN_MEMBERS.isdisjoint(header):
        raise TokenRejected(RejectionReason.HEADER_FORBIDDEN)
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.upper() != "JWT":
        raise TokenRejected(RejectionReason.TYPE_NOT_JWT)
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in keys.algorithms:
        raise TokenRejected(RejectionReason.ALGORITHM_NOT_ALLOWED)
    key_id = _key_id(header)
    key = keys.by_id.get(key_id) if key_id is not None else None
    if key is None and keys.secret is not None and algorithm == keys.secret.algorithm:
        key = keys.secret
    if key is None:
        raise TokenRejected(RejectionReason.KEY_ID_MISSING if key_id is None else RejectionReason.KEY_UNKNOWN)
    if key.algorithm != algorithm:
        raise TokenRejected(RejectionReason.ALGORITHM_NOT_OF_KEY)
    return key


def _key_id(header: JsonObject) -> str | None:
    if "kid" not in header:
        return None
    key_id = header["kid"]
    if not isinstance(key_id, str) or not 0 < len(key_id) <= MAX_KEY_ID_CHARACTERS:
        raise TokenRejected(RejectionReason.KEY_ID_MALFORMED)
    return key_id
