"""Turns the Bearer token of a request into a Principal, or refuses it, and counts the requests of each caller.

Routes are closed unless they say otherwise. Requests are counted before anything is looked up.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Literal

from litestar import Request

from application.encoding import JsonObject
from application.ports import TokenVerifier
from domain.errors import DomainError, InvalidToken, MissingToken
from domain.identity import Principal
from web.headers import client_network
from web.problems import HttpProblem

PUBLIC: Final = "public"
"""The key of ``opt`` that opens a route to everybody."""


class SessionRequest(Request[Principal, Any, Any]):
    """What handlers take: a class of its own, for one with parameters is compared by way of an exception each time.

    ``payload``: the JSON object of the body, where the handler takes one.
    """

    __slots__ = ("payload",)
    payload: JsonObject


WINDOW_S: Final = 60

Count = Callable[[str, int], Awaitable[int]]
"""Counts one more of a key in a window, both named by the first argument; forgotten after that many seconds.

Answers how many there were with this one.
"""


class RateLimits:
    """*limit* requests in each minute of the clock (a fixed window), told in the headers of the IETF's draft.

    ``RateLimit-Policy`` and ``RateLimit`` are draft-ietf-httpapi-ratelimit-headers-10: ``q`` quota, ``w`` window in
    seconds, ``r`` what is left, ``t`` seconds until the next window.
    """

    def __init__(self, limit: int, count: Count, clock: Callable[[], float] = time.time) -> None:
        self._limit = limit
        self._count = count
        self._clock = clock
        self._policies = {
            by: (b"ratelimit-policy", f'"{by}";q={limit};w={WINDOW_S}'.encode()) for by in ("user", "address")
        }

    async def take(self, state: dict[str, Any], by: Literal["user", "address"], key: str) -> None:
        """Count one request of *key*; what is left goes into the answer's headers by way of *state*.

        Raises:
            HttpProblem: ``rate_limited``: this minute's are used up. Nothing else happened.
        """
        now = self._clock()
        used = await self._count(f"{by}:{key}:{int(now) // WINDOW_S}", WINDOW_S)
        wait = int(WINDOW_S - now % WINDOW_S) + 1
        left = self._limit - used
        state["headers"] = [
            self._policies[by],
            (b"ratelimit", f'"{by}";r={max(left, 0)};t={wait}'.encode()),
        ]
        if left < 0:
            raise HttpProblem(
                "rate_limited",
                f"No more than {self._limit} requests a minute.",
                headers={"Retry-After": str(wait)},
            )


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
