"""Requests a minute: for a user, or for an address that brought no token. Counted before anything is looked up."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Literal

from web.problems import HttpProblem

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
