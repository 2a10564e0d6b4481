"""The port TokenVerifier, over Supabase's tokens: keeps what it verified, and tells the log why it refused."""

import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import Protocol

import structlog

from domain.errors import DomainError, ExpiredToken, InvalidToken, Unavailable
from domain.identity import Principal
from infrastructure.supabase.claims import TokenRules, VerifiedToken
from infrastructure.supabase.compact import MAX_TOKEN_CHARACTERS
from infrastructure.supabase.keys import Keys, shared_secret
from infrastructure.supabase.refusals import RefusalReason, TokenRefused
from infrastructure.supabase.signing_keys import SigningKeys
from infrastructure.supabase.tokens import verify

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class KeySource(Protocol):
    """Where the keys come from, as `SigningKeys` and `FixedKeys` do it."""

    @property
    def known(self) -> bool:
        """Whether a token could be verified right now."""
        ...

    async def current(self) -> Keys:
        """The keys to verify with; Unavailable if there are none."""
        ...

    async def newer_than(self, keys: Keys) -> Keys:
        """Newer keys if there are any to be had, else *keys*."""
        ...

    async def aclose(self) -> None:
        """Let go of connections and tasks."""
        ...


class FixedKeys:
    """Keys that are always known and never change, as a legacy secret."""

    known = True

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def current(self) -> Keys:
        """The keys."""
        return self._keys

    async def newer_than(self, keys: Keys) -> Keys:
        """The same keys."""
        return keys

    async def aclose(self) -> None:
        """Nothing to let go of."""


def nobody(reason: RefusalReason) -> None:
    """Counts nothing."""


class SupabaseTokenVerifier:
    """Tells a Supabase access token from anything else; implements ``application.ports.TokenVerifier``.

    A token that was verified is not verified again while the keys stay the same; its time is looked at every time. So
    the memory changes the cost of an answer, and never the answer. It holds a digest, not the token.
    """

    def __init__(
        self,
        source: KeySource,
        rules: TokenRules,
        *,
        remember: int = 4096,
        now: Callable[[], float] = time.time,
        on_refused: Callable[[RefusalReason], None] = nobody,
    ) -> None:
        self._source = source
        self._rules = rules
        self._now = now
        self._on_refused = on_refused
        self._verified = _VerifiedTokens(remember)

    @property
    def keys_known(self) -> bool:
        """Whether a token could be verified right now: a part of readiness."""
        return self._source.known

    async def prepare(self) -> bool:
        """Fetch the keys if they are due, and say whether any are known; for start-up and readiness probes.

        A service that is not ready gets no requests, so the probe must be what finds the keys.
        """
        try:
            await self._source.current()
        except Unavailable:
            return False
        return True

    async def verify(self, token: str) -> Principal:
        """The session that *token* proves.

        Raises:
            ExpiredToken: it was good once.
            InvalidToken: it is anything else; the reason is logged and counted, never told.
            Unavailable: no signing key is known.
        """
        try:
            return await self._session(token)
        except TokenRefused as refusal:
            _log.info("token_refused", reason=refusal.reason.value)
            self._on_refused(refusal.reason)
            raise _told(refusal.reason) from None

    async def aclose(self) -> None:
        """Let go of connections and tasks."""
        await self._source.aclose()

    async def _session(self, token: str) -> Principal:
        keys = await self._source.current()
        digest = _digest(token)
        earlier = self._verified.find(digest, keys)
        if earlier is not None:
            return self._still_good(digest, earlier)
        try:
            verified = verify(token, keys, self._rules, self._now())
        except TokenRefused as refusal:
            if refusal.reason is not RefusalReason.KEY_UNKNOWN:
                raise
            keys = await self._source.newer_than(keys)
            verified = verify(token, keys, self._rules, self._now())
        self._verified.add(digest, keys, verified)
        return verified.session

    def _still_good(self, digest: bytes, earlier: VerifiedToken) -> Principal:
        try:
            earlier.check_time(self._now(), self._rules.leeway)
        except TokenRefused:
            self._verified.forget(digest)
            raise
        return earlier.session


def token_verifier(
    rules: TokenRules,
    *,
    jwks_url: str,
    jwt_secret: str | None = None,
    local_development: bool = False,
    on_refused: Callable[[RefusalReason], None] = nobody,
) -> SupabaseTokenVerifier:
    """The verifier that a configuration asks for: with *jwt_secret* HS256 alone, without it no HS256.

    Raises:
        ValueError: the secret or the address may not be used; the message names neither.
    """
    source: KeySource = (
        SigningKeys(jwks_url, local_development=local_development)
        if jwt_secret is None
        else FixedKeys(shared_secret(jwt_secret, local_development=local_development))
    )
    return SupabaseTokenVerifier(source, rules, on_refused=on_refused)


class _VerifiedTokens:
    """The tokens used last, as verified by one and the same keys."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._keys: Keys | None = None
        self._tokens: OrderedDict[bytes, VerifiedToken] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tokens)

    def find(self, digest: bytes, keys: Keys) -> VerifiedToken | None:
        self._use(keys)
        verified = self._tokens.get(digest)
        if verified is not None:
            self._tokens.move_to_end(digest)
        return verified

    def add(self, digest: bytes, keys: Keys, verified: VerifiedToken) -> None:
        self._use(keys)
        self._tokens[digest] = verified
        if len(self._tokens) > self._size:
            self._tokens.popitem(last=False)

    def forget(self, digest: bytes) -> None:
        self._tokens.pop(digest, None)

    def _use(self, keys: Keys) -> None:
        """Forget everything at once when a key came or went: it may have been revoked."""
        if keys is not self._keys:
            self._tokens.clear()
            self._keys = keys


def _digest(token: str) -> bytes:
    """A name for the token. Of what is too long to be one, no more is read than shows that."""
    return sha256(token[: MAX_TOKEN_CHARACTERS + 1].encode(errors="surrogatepass")).digest()


def _told(reason: RefusalReason) -> DomainError:
    return ExpiredToken() if reason is RefusalReason.EXPIRED else InvalidToken()
