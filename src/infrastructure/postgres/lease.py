"""The lease that makes one relay the active one: a row, and the database's clock. It works through any pooler."""

import secrets
import time
from collections.abc import Callable
from typing import Final

from infrastructure.hosts import process_name
from infrastructure.postgres.outbox import in_time
from infrastructure.postgres.pool import Pool

LEASE_S: Final = 10
MARGIN_S: Final = 6
"""What must be left of the lease when a message is sent: more than that may take."""
RENEWED_S: Final = 6.5
"""What must be left of it after a round began: rounds follow each other fast enough that messages need not wait."""

# Database time alone decides who leads: clocks of processes may differ. Where another holds the lease, no row fits,
# and nothing is written or locked.
_ACQUIRE = """
update private.relay_lease
set holder = $1, expires_at = clock_timestamp() + make_interval(secs => $2)
where holder = $1 or expires_at < clock_timestamp()
returning true
"""
_RESIGN = "update private.relay_lease set holder = null, expires_at = '-infinity' where holder = $1"


def relay_name(release: str) -> str:
    """A relay's name: its process's, as the log has it, and four digits that tell two of one process apart."""
    return f"{process_name(release)} {secrets.token_hex(2)}"


class PostgresLease:
    """The port :class:`application.realtime.ports.Lease` on the shared database; each is one relay's own.

    *holder* is what the row says of it, and is nobody else's (see :func:`relay_name`).

    A holder writes the row every three and a half seconds, however often it asks.
    """

    def __init__(self, pool: Pool, holder: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._clock = clock
        self._holder = holder
        self._ends_at = float("-inf")

    async def acquire_or_renew(self) -> bool:
        """See the port."""
        asked = self._clock()
        if self._ends_at - asked >= RENEWED_S:
            return True
        async with in_time(self._pool) as connection:
            held = bool(await connection.fetchval(_ACQUIRE, self._holder, LEASE_S))
        # Counted from before the question: the row may have been written at once, and the answer have taken time.
        self._ends_at = asked + LEASE_S if held else float("-inf")
        return held

    @property
    def outlasts_a_message(self) -> bool:
        """See the port."""
        return self._ends_at - self._clock() >= MARGIN_S

    async def resign(self) -> None:
        """See the port."""
        self._ends_at = float("-inf")
        async with in_time(self._pool) as connection:
            await connection.execute(_RESIGN, self._holder)
