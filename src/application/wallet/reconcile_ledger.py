"""Prove the ledger, in one snapshot and in constant memory: all of it, or what came after the last seal."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from application.realtime.ports import DELIVERED_RETENTION
from domain.ledger import GENESIS, heads_of, seal_digest
from domain.reconciliation import Finding, Line, Proof

EVENTS_KEPT: Final = DELIVERED_RETENTION
"""How long an event surely stays in the outbox; a younger transaction without one has lost it."""
TICK: Final = 1000


@dataclass(frozen=True, slots=True)
class Seal:
    """A seal as stored, without its heads: it covers the rows after ``previous_until`` until ``sealed_until`` (UTC)."""

    id: int
    sealed_until: datetime
    digest: bytes
    previous_until: datetime | None


class LedgerSnapshot(Protocol):
    """The ledger at one instant, however long one looks at it."""

    async def size(self, since: Seal | None = None) -> int:
        """How many rows there are after *since*."""
        ...

    def lines(self, since: Seal | None = None) -> AsyncIterator[Line]:
        """The rows after *since*, by user and version, each with what it must agree with."""
        ...

    def strays(self, events_kept: timedelta, since: Seal | None = None) -> AsyncIterator[Finding]:
        """What no row leads to; where it has a time, as far as that is after *since*.

        Wallets, withdrawals, entries, events and records that do not agree with the rows, staff that no record made,
        days that were summed wrongly, and transactions younger than *events_kept* that owe no event.
        """
        ...

    async def seals(self) -> Sequence[Seal]:
        """All seals, oldest first."""
        ...

    async def sealed_heads(self, seal: Seal) -> bytes:
        """The heads that *seal* holds."""
        ...

    async def heads(self, seal: Seal) -> bytes:
        """The heads that the rows under *seal* have now, packed as a seal holds them."""
        ...


LedgerSnapshotFactory = Callable[[], AbstractAsyncContextManager[LedgerSnapshot]]


class ReconcileLedger:
    """Reads everything once, and changes nothing.

    ``kept`` are digests of seals that were kept elsewhere, by id, in hex. With ``since_seal`` what came before the last
    seal is only held against it, not proven one by one; where seals were kept, the last that was, for whoever has the
    service's password can seal too.
    """

    def __init__(
        self,
        snapshots: LedgerSnapshotFactory,
        kept: Mapping[int, str] | None = None,
        *,
        since_seal: bool = False,
    ) -> None:
        self._snapshots = snapshots
        self._kept = kept
        self._since_seal = since_seal

    async def __call__(
        self, begin: Callable[[int], None], advance: Callable[[int], None]
    ) -> AsyncIterator[Finding]:
        """What does not add up, as it is found; nothing when every cent is in place.

        *begin* is told how many rows there are, *advance* how many more were read.

        Raises:
            Unavailable: the database does not answer.
        """
        async with self._snapshots() as snapshot:
            seals = await snapshot.seals()
            since = self._start(seals)
            begin(await snapshot.size(since))
            proof, unsaid = Proof(), 0
            async for line in snapshot.lines(since):
                for finding in proof.line(line):
                    yield finding
                unsaid += 1
                if unsaid == TICK:
                    advance(unsaid)
                    unsaid = 0
            advance(unsaid)
            async for finding in snapshot.strays(EVENTS_KEPT, since):
                yield finding
            async for finding in self._seal_findings(snapshot, seals):
                yield finding

    def _start(self, seals: Sequence[Seal]) -> Seal | None:
        if not self._since_seal:
            return None
        kept = self._kept
        known = [seal for seal in seals if kept is None or kept.get(seal.id) == seal.digest.hex()]
        return known[-1] if known else None

    async def _seal_findings(self, snapshot: LedgerSnapshot, seals: Sequence[Seal]) -> AsyncIterator[Finding]:
        previous = GENESIS
        for seal in seals:
            packed = await snapshot.sealed_heads(seal)
            if seal_digest(previous, seal.sealed_until, packed) != seal.digest:
                yield Finding("broken_seal", None, f"seal {seal.id}", "its digest is not of what it holds")
            previous = seal.digest
            now = await snapshot.heads(seal)
            if now != packed:
                for finding in _moved_heads(seal, packed, now):
                    yield finding
        there = {seal.id: seal.digest.hex() for seal in seals}
        for number, digest in (self._kept or {}).items():
            if there.get(number) != digest:
                yield Finding("replaced_seal", None, f"seal {number}", f"kept elsewhere as {digest}")


def _moved_heads(seal: Seal, packed: bytes, now: bytes) -> Iterator[Finding]:
    """The wallets whose rows under *seal* are not what they were."""
    then = {head.user_id: head for head in heads_of(packed)}
    for head in heads_of(now):
        was = then.pop(head.user_id, None)
        if was != head:
            said = "nothing" if was is None else f"version {was.version}, {was.hash.hex()[:12]}"
            detail = f"under seal {seal.id}: {said} then, version {head.version}, {head.hash.hex()[:12]} now"
            yield Finding("rewritten", head.user_id, f"seal {seal.id}", detail)
    for was in then.values():
        yield Finding("rewritten", was.user_id, f"seal {seal.id}", f"its rows under seal {seal.id} are gone")
