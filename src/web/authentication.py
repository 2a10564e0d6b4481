"""Turns the Bearer token of a request into a Principal, or answers 401. Routes are closed unless they say otherwise."""

from typing import Any

from litestar.datastructures import State
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from application.ports import TokenVerifier
from domain.errors import InvalidToken, MissingToken

OPEN = "open"
"""The key of ``opt`` that opens a route to everybody."""


class Authentication(ASGIMiddleware):
    """Puts the verified session into ``request.user``; no other header, cookie or parameter names a user."""

    scopes = (ScopeType.HTTP,)
    exclude_opt_key = OPEN

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Verify, then go on.

        Raises:
            MissingToken: there is no ``Authorization: Bearer <token>``.
            InvalidToken: there are several, or the token is none of ours.
            ExpiredToken: the token was good once.
            Unavailable: no signing key is known yet.
        """
        state: State = scope["litestar_app"].state
        verifier: TokenVerifier = state.token_verifier
        scope["user"] = await verifier.verify(bearer_token(scope["headers"]))
        await next_app(scope, receive, send)


def bearer_token(headers: Any) -> str:
    """The token of the one Authorization header (RFC 6750, section 2.1).

    Raises:
        MissingToken, InvalidToken: see :class:`Authentication`.
    """
    values = [value for name, value in headers if name == b"authorization"]
    if len(values) > 1:
        raise InvalidToken
    scheme, _, token = (values[0] if values else b"").partition(b" ")
    if scheme.lower() != b"bearer" or not token:
        raise MissingToken
    try:
        return str(token, "ascii")
    except UnicodeDecodeError:
        raise InvalidToken from None
