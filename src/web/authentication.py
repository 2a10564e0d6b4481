"""Turns the Bearer token of a request into a Principal, or refuses it. Routes are closed unless they say otherwise."""

from collections.abc import Mapping
from typing import Any, Final

from litestar import Request

from application.ports import TokenVerifier
from domain.errors import DomainError, InvalidToken, MissingToken
from domain.identity import Principal
from web.headers import client_network
from web.rate_limits import RateLimits

PUBLIC: Final = "public"
"""The key of ``opt`` that opens a route to everybody."""


class SessionRequest(Request[Principal, Any, Any]):
    """What handlers take: a class of its own, for one with parameters is compared by way of an exception each time.

    ``raw``: the bytes of the body, where the handler takes one.
    """

    __slots__ = ("raw",)
    raw: bytes


class Authentication:
    """Finds out whose session a request is; no other header, cookie or parameter names a user.

    Requests are counted by *limits*: of a user, or of an address that brings no good token.
    """

    def __init__(self, verifier: TokenVerifier, limits: RateLimits | None) -> None:
        self._verifier = verifier
        self._limits = limits

    async def identify(self, scope: Any) -> Principal:
        """Who asks.

        Raises:
            MissingToken: there is no ``Authorization: Bearer <token>``.
            InvalidToken: there are several, or the token is none of ours.
            ExpiredToken: the token was good once.
            Unavailable: no signing key is known yet.
            HttpProblem: ``rate_limited``.
        """
        limits = self._limits
        try:
            principal = await self._verifier.verify(bearer_token(scope))
        except DomainError:
            if limits is not None and (client := scope["client"]) is not None:
                await limits.take(scope["state"], "address", client_network(client[0]))
            raise
        user_id = scope["state"]["user_id"] = str(principal.user_id)  # for the log, too
        if limits is not None:
            await limits.take(scope["state"], "user", user_id)
        return principal


def bearer_token(scope: Mapping[str, Any]) -> str:
    """The token of the one Authorization header (RFC 6750, section 2.1).

    Raises:
        MissingToken, InvalidToken: see :meth:`Authentication.identify`.
    """
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(values) > 1:
        raise InvalidToken
    scheme, _, token = (values[0] if values else b"").partition(b" ")
    if scheme.lower() != b"bearer" or not token:
        raise MissingToken
    try:
        return str(token.lstrip(b" "), "ascii")
    except UnicodeDecodeError:
        raise InvalidToken from None
