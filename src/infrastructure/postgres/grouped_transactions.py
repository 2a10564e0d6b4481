"""Group commit: keyed requests that arrive while a transaction is under way share the next one.

One statement claims all keys and locks all wallets in id order, each member decides in turn on the balances that its
predecessors left, one statement writes all, one COMMIT. So thirty payments cost four round trips, as one does. Who
finds nothing under way goes at once and alone: there is no timer. No use-case knows of it.

Who fits in no group goes alone, too, with the usual patience: a first payment, a key that is taken, a lock that was
not to be had at once, and everybody of a group that failed before its COMMIT. After a COMMIT of unknown outcome all
members get Unavailable, and their keys know the truth.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from operator import methodcaller
from typing import Any, Final, TypeVar
from uuid import UUID

from application.database import Opened, Opening, OpenTransaction
from domain.errors import SerializationConflict, Unavailable
from domain.identity import Principal
from infrastructure.postgres import queries
from infrastructure.postgres.pool import Pool, map_database_errors
from infrastructure.postgres.transaction_group import ALONE, Member, decide_in_turn, fail
from infrastructure.postgres.transactions import AfterCommit, PostgresDatabase, PostgresTransaction

L = TypeVar("L")

LANES: Final = 2
"""Groups under way at a time in one process: while one commits, the next decides."""
MOST: Final = 32
"""Members of a group."""
# A group waits for others' locks only so long; then its members wait each for themselves.
_BEGIN: Final = f"{queries.BEGIN}; set local lock_timeout = '100ms'"


class GroupedDatabase(PostgresDatabase):
    """The port :class:`application.database.Database`, with keyed requests in groups."""

    def __init__(
        self, pool: Pool, after_commit: AfterCommit, *, lanes: int = LANES, most: int = MOST
    ) -> None:
        super().__init__(pool, after_commit)
        self._lanes = lanes
        self._most = most
        self._waiting: list[Member] = []
        self._locked: set[UUID] = set()  # the wallets of what is under way
        self._running: set[asyncio.Task[None] | None] = set()
        self._has_first = False  # one request that found nothing under way goes beside the lanes

    @asynccontextmanager
    async def begin(
        self, principal: Principal, opening: Opening[L]
    ) -> AsyncIterator[OpenTransaction[Opened[L]]]:
        """A member's part of four round trips, or all four; what fits in no group goes alone."""
        fits = opening.key if opening.lock is None else None
        key = None if fits is None else (principal.user_id, fits.key)
        if key is None or ALONE.get() == key:
            async with super().begin(principal, opening) as transaction:
                yield transaction
            return
        if not (self._running or self._has_first):
            async with self._go_first(principal, opening, key) as transaction:
                yield transaction
            return
        async with map_database_errors():  # the deadline holds for the wait and whatever follows it
            member = Member(principal, opening, key)
            self._waiting.append(member)
            self._start_lane()
            try:
                if (opened := await member.asked) is not None:
                    member.opened = opened
                    yield member
                    return
            finally:
                if not member.decided.done():
                    member.decided.set_result(None)  # it was refused, or its client has gone
                    self._start_lane()  # for those who did not overtake it
            async with super().begin(principal, opening) as transaction:
                yield transaction

    @asynccontextmanager
    async def _go_first(
        self, principal: Principal, opening: Opening[L], key: tuple[UUID, str]
    ) -> AsyncIterator[OpenTransaction[Opened[L]]]:
        """Nobody is there to share with: alone, with a member's second attempt."""
        self._has_first = True
        self._locked.update(opening.wallets)
        transaction: Any = None
        try:
            async with map_database_errors():  # the deadline holds for both attempts to open
                try:
                    async with super().begin(principal, opening) as transaction:
                        yield transaction
                        return
                except Unavailable as error:
                    if transaction is not None:
                        if transaction.committing:
                            raise
                        ALONE.set(key)
                        raise SerializationConflict from error
                async with super().begin(principal, opening) as transaction:
                    yield transaction
        finally:
            self._has_first = False
            self._locked.difference_update(opening.wallets)
            self._start_lane()  # for those who wait for these wallets

    def _start_lane(self) -> None:
        if self._waiting and len(self._running) < self._lanes:
            self._running.add(asyncio.create_task(self._lane(), name="group commit"))

    async def _lane(self) -> None:
        """One group after the other, until nobody waits."""
        try:
            while members := self._next():
                try:
                    await self._run(members)
                finally:
                    self._locked.difference_update(*(member.opening.wallets for member in members))
        finally:
            # Here, with no turn of the loop since nobody waited: who comes next starts a lane of their own.
            self._running.discard(asyncio.current_task())

    def _next(self) -> list[Member]:
        """The next group: a bounded number of those who still want to, no key twice, no wallet that is under way.

        Who wants such a wallet waits for it here, with others who want it, rather than for its lock; and nobody who
        shares a wallet with them overtakes them, so that each wallet's requests are decided as they came.
        """
        members: dict[tuple[UUID, str], Member] = {}
        rest: list[Member] = []
        wanted = set(self._locked)
        for member in self._waiting:
            if member.decided.done():
                continue  # left before it was asked
            free = member.key not in members and wanted.isdisjoint(member.opening.wallets)
            if free and len(members) < self._most:
                members[member.key] = member
            else:
                rest.append(member)
                wanted.update(member.opening.wallets)
        self._waiting = rest
        self._locked.update(*(member.opening.wallets for member in members.values()))
        return list(members.values())

    async def _run(self, members: Sequence[Member]) -> None:
        """One group, from BEGIN to what its members hear of the end."""
        transaction: PostgresTransaction[Any] | None = None
        try:
            async with self._begin(methodcaller("execute", _BEGIN)) as transaction:
                await decide_in_turn(transaction, members)
        except Exception as error:
            fail(members, error, committing=transaction is not None and transaction.committing)
        else:
            for member in members:
                member.ended.set_result(None)
