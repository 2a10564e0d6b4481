"""Prove the whole ledger, in one snapshot and in constant memory."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Final, Protocol

from application.realtime.ports import DELIVERED_RETENTION
from domain.reconciliation import Finding, Line, Proof

EVENTS_KEPT: Final = DELIVERED_RETENTION
"""How long an event surely stays in the outbox; a younger transaction without one has lost it."""
TICK: Final = 1000


class LedgerSnapshot(Protocol):
    """The ledger at one instant, however long one looks at it."""

    async def size(self) -> int:
        """How many rows there are."""
        ...

    def lines(self) -> AsyncIterator[Line]:
        """All rows, by user and version, each with what it must agree with."""
        ...

    def strays(self, events_kept: timedelta) -> AsyncIterator[Finding]:
        """What no row leads to.

        Wallets with money or a version and no row, withdrawals without a transaction, and transactions younger than
        *events_kept* that owe no event.
        """
        ...


LedgerSnapshotFactory = Callable[[], AbstractAsyncContextManager[LedgerSnapshot]]


class ReconcileLedger:
    """Reads everything once, and changes nothing."""

    def __init__(self, snapshots: LedgerSnapshotFactory) -> None:
        self._snapshots = snapshots

    async def __call__(
        self, begin: Callable[[int], None], advance: Callable[[int], None]
    ) -> AsyncIterator[Finding]:
        """What does not add up, as it is found; nothing when every cent is in place.

        *begin* is told how many rows there are, *advance* how many more were read.

        Raises:
            Unavailable: the database does not answer.
        """
        async with self._snapshots() as snapshot:
            begin(await snapshot.size())
            proof, unsaid = Proof(), 0
            async for line in snapshot.lines():
                for finding in proof.line(line):
                    yield finding
                unsaid += 1
                if unsaid == TICK:
                    advance(unsaid)
                    unsaid = 0
            for finding in proof.end():
                yield finding
            advance(unsaid)
            async for finding in snapshot.strays(EVENTS_KEPT):
                yield finding
