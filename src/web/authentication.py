"""Turns the Bearer token of a request into a Principal, or answers 401. Routes are closed unless they say otherwise."""

from collections.abc import Mapping
from typing import Any, Final

from litestar import Request
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from application.ports import TokenVerifier
from domain.errors import DomainError, InvalidToken, MissingToken
from domain.identity import Principal
from web.headers import client_network, values_of
from web.query import check_query
from web.rate_limits import RateLimits

PUBLIC: Final = "public"
"""The key of ``opt`` that opens a route to everybody."""


class SessionRequest(Request[Principal, Any, Any]):
    """What handlers take: a class of its own, for one with parameters is compared by way of an exception each time."""

    __slots__ = ()


class Authentication(ASGIMiddleware):
    """Puts the verified principal into ``request.user``; no other header, cookie or parameter names a user.

    What it needs of the application's state: ``token_verifier``, ``rate_limits`` (or None) and
    ``query_parameters``.
    """

    scopes = (ScopeType.HTTP,)
    exclude_opt_key = PUBLIC

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Count, verify, look at the query, then go on.

        Raises:
            MissingToken: there is no ``Authorization: Bearer <token>``.
            InvalidToken: there are several, or the token is none of ours.
            ExpiredToken: the token was good once.
            Unavailable: no signing key is known yet.
            HttpProblem: ``rate_limited``, or ``invalid_request`` for the query.
        """
        app = scope["litestar_app"].state
        scope["user"] = await _identify(scope, app.token_verifier, app.rate_limits)
        if query := scope["query_string"]:
            check_query(query, app.query_parameters[scope["route_handler"]])
        await next_app(scope, receive, send)


async def _identify(scope: Any, verifier: TokenVerifier, limits: RateLimits | None) -> Principal:
    """Who asks. Whoever brings no good token is counted by address."""
    try:
        principal = await verifier.verify(bearer_token(scope))
    except DomainError:
        if limits is not None and (client := scope["client"]) is not None:
            await limits.take(scope["state"], "address", client_network(client[0]))
        raise
    if limits is not None:
        await limits.take(scope["state"], "user", str(principal.user_id))
    return principal


def bearer_token(scope: Mapping[str, Any]) -> str:
    """The token of the one Authorization header (RFC 6750, section 2.1).

    Raises:
        MissingToken, InvalidToken: see :class:`Authentication`.
    """
    values = values_of(scope, b"authorization")
    if len(values) > 1:
        raise InvalidToken
    scheme, _, token = (values[0] if values else b"").partition(b" ")
    if scheme.lower() != b"bearer" or not token:
        raise MissingToken
    try:
        return str(token.lstrip(b" "), "ascii")
    except UnicodeDecodeError:
        raise InvalidToken from None
