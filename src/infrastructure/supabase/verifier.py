"""Tells a Supabase access token from anything else: keeps what it verified, and tells the log why it rejected."""

import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from typing import Protocol

import structlog

from domain.errors import DomainError, ExpiredToken, InvalidToken, Unavailable
from domain.identity import Principal
from infrastructure.supabase.claims import RejectionReason, TokenRejected, TokenRules, VerifiedToken
from infrastructure.supabase.jwks import LEGACY_ALGORITHM, KeySet, shared_secret
from infrastructure.supabase.jwks_client import JwksClient
from infrastructure.supabase.jws import MAX_TOKEN_CHARACTERS, verify

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
        self._legacy_accepted_at: float | None = None

    @property
    def keys_known(self) -> bool:
        """Whether a token could be verified right now: a part of readiness."""
        return self._source.known

    @property
    def legacy_accepted_at(self) -> datetime | None:
        """When a token under the project's legacy secret was last good (UTC); None if none was."""
        at = self._legacy_accepted_at
        return None if at is None else datetime.fromtimestamp(at, UTC)

    async def prepare(self) -> bool:
        """Fetch the keys if they are due, and say whether any are known; for start-up and readiness probes.

        A service that is not ready gets no requests, so the probe must be what finds the keys.
        """
        with suppress(Unavailable):
            await self._source.current()
        return self.keys_known

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
            raise _told(rejection.reason) from None
        if verified.algorithm == LEGACY_ALGORITHM:
            self._legacy_accepted_at = self._now()
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


def _told(reason: RejectionReason) -> DomainError:
    return ExpiredToken() if reason is RejectionReason.EXPIRED else InvalidToken()
