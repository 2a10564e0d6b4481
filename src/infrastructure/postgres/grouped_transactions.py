"""Group commit: keyed requests that arrive while a transaction is under way share the next one.

One statement claims all keys and locks all wallets in id order, each member decides in turn on the balances that its
predecessors left, one statement writes all, one COMMIT. So thirty payments cost four round trips, as one does. Who
finds nothing under way goes at once and alone: there is no timer. No use-case knows of it.

Who fits in no group goes alone, too, with the usual patience: a first payment, a key that is taken, a lock that was
not to be had at once, and everybody of a group that failed before its COMMIT. After a COMMIT of unknown outcome all
members get Unavailable, and their keys know the truth.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from operator import methodcaller
from typing import Any, Final, TypeVar
from uuid import UUID

import structlog

from application.database import Opened, Opening, OpenTransaction, WriteBatch
from application.idempotency import KEYS_PER_DAY, IdempotencyRecord
from domain.errors import DomainError, SerializationConflict, Unavailable
from domain.identity import AccountStatus, Principal
from domain.wallet import Wallet
from infrastructure.postgres import idempotency, mappers, queries
from infrastructure.postgres.pool import Pool, map_database_errors
from infrastructure.postgres.transactions import AfterCommit, PostgresDatabase, PostgresTransaction

L = TypeVar("L")

LANES: Final = 2
"""Groups under way at a time in one process: while one commits, the next decides."""
MOST: Final = 32
"""Members of a group."""
# A group waits for others' locks only so long; then its members wait each for themselves.
_BEGIN: Final = f"{queries.BEGIN}; set local lock_timeout = '100ms'"

_alone: ContextVar[tuple[UUID, str] | None] = ContextVar("alone", default=None)
"""The caller and key that a group could not serve: its next attempt goes alone."""

log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class _Member:
    """One keyed request in a group, and its side of the transaction (:class:`application.database.OpenTransaction`).

    It is ``asked``, answers (``decided``), and hears the end (``ended``).
    """

    principal: Principal
    opening: Opening[Any]
    key: tuple[UUID, str]
    asked: "asyncio.Future[Opened[Any] | None]" = field(default_factory=asyncio.Future)
    decided: "asyncio.Future[WriteBatch | None]" = field(default_factory=asyncio.Future)
    ended: "asyncio.Future[None]" = field(default_factory=asyncio.Future)
    opened: Opened[Any] = field(init=False)

    async def commit(self, writes: WriteBatch) -> None:
        """Decided: from here on the group writes it, even if nobody waits for it any more."""
        self.decided.set_result(writes)
        try:
            await asyncio.shield(self.ended)
        except SerializationConflict:
            _alone.set(self.key)
            raise


class GroupedDatabase(PostgresDatabase):
    """The port :class:`application.database.Database`, with keyed requests in groups."""

    def __init__(
        self, pool: Pool, after_commit: AfterCommit, *, lanes: int = LANES, most: int = MOST
    ) -> None:
        super().__init__(pool, after_commit)
        self._lanes = lanes
        self._most = most
        self._waiting: list[_Member] = []
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
        if key is None or _alone.get() == key:
            async with super().begin(principal, opening) as transaction:
                yield transaction
            return
        if not (self._running or self._has_first):
            async with self._go_first(principal, opening, key) as transaction:
                yield transaction
            return
        async with map_database_errors():  # the deadline holds for the wait and whatever follows it
            member = _Member(principal, opening, key)
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
                        _alone.set(key)
                        raise SerializationConflict from error
                async with super().begin(principal, opening) as transaction:
                    yield transaction
        finally:
            self._has_first = False
            self._locked.difference_update(opening.wallets)
            if self._waiting:  # for these wallets, while no lane ran
                self._start_lane()

    def _start_lane(self) -> None:
        if len(self._running) < self._lanes:
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

    def _next(self) -> list[_Member]:
        """The next group: a bounded number of those who still want to, no key twice, no wallet that is under way.

        Who wants such a wallet waits for it here, with others who want it, rather than for its lock; and nobody who
        shares a wallet with them overtakes them, so that each wallet's requests are decided as they came.
        """
        members: dict[tuple[UUID, str], _Member] = {}
        rest: list[_Member] = []
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

    async def _run(self, members: Sequence[_Member]) -> None:
        """One group, from BEGIN to what its members hear of the end."""
        transaction: PostgresTransaction[Any] | None = None
        try:
            async with self._begin(methodcaller("execute", _BEGIN)) as transaction:
                await _decide_in_turn(transaction, members)
        except Exception as error:
            _fail(members, error, committing=transaction is not None and transaction.committing)
        else:
            for member in members:
                member.ended.set_result(None)


def _fail(members: Sequence[_Member], error: Exception, *, committing: bool) -> None:
    """Before COMMIT everybody goes alone once; after it nobody knows, and the same key finds out."""
    if not isinstance(error, DomainError):
        log.error("group_commit.failed", exc_info=error)
    for member in members:
        if not member.asked.done():
            member.asked.set_result(None)
        member.ended.set_exception(Unavailable() if committing else SerializationConflict())
        member.ended.exception()  # seen, even where nobody waits for it


async def _decide_in_turn(transaction: PostgresTransaction[Any], members: Sequence[_Member]) -> None:
    """Claim and lock for all, let one after the other decide, write it all, COMMIT."""
    rows = await transaction.connection.fetch(idempotency.CLAIM_MANY, *_arguments(members))
    heads = {row["n"]: row for row in rows if row["n"] is not None}
    locked = [row for row in rows if row["n"] is None]
    wallets = mappers.usable_wallets(locked)
    now = max((row["now"] for row in locked), default=rows[0]["now"])
    taken = [
        member.key
        for number, member in enumerate(members)
        if not heads[number]["claimed"] and heads[number]["caller_role"] is not None
    ]
    earlier = await idempotency.earlier_many(transaction.connection, taken) if taken else {}
    written, unused = list[WriteBatch](), []
    for number, member in enumerate(members):
        head = heads[number]
        opened = _opened(member, head, wallets, earlier.get(member.key), now)
        if not member.asked.done():  # it is, where the client has gone
            member.asked.set_result(opened)
        writes = None if opened is None else await member.decided
        if writes is not None:
            written.append(writes)
            for row in writes.transactions:
                wallets[row.user_id] = wallets[row.user_id].after(row)
        elif head["claimed"]:
            unused.append(member.key)
    if unused:
        await transaction.connection.execute(idempotency.RELEASE_KEYS, *map(list, zip(*unused, strict=True)))
    await transaction.commit(*written)


def _arguments(members: Sequence[_Member]) -> tuple[object, ...]:
    """Columns for :data:`idempotency.CLAIM_MANY`; the wallets of all members stand in two columns of their own."""
    seen: dict[UUID, int] = {}
    keys, nth = [], []
    for member in members:
        nth.append(seen.setdefault(member.principal.user_id, 0))
        seen[member.principal.user_id] += 1
        keys.append(member.opening.key)
    wanted = [(number, owner) for number, member in enumerate(members) for owner in member.opening.wallets]
    return (
        [member.principal.user_id for member in members],
        [member.principal.session_id for member in members],
        [key.key for key in keys if key is not None],
        [key.fingerprint for key in keys if key is not None],
        [",".join(member.opening.roles) for member in members],
        nth,
        KEYS_PER_DAY,
        [number for number, _ in wanted],
        [owner for _, owner in wanted],
        [member.principal.user_id for member in members if member.opening.counts_spending],
    )


def _opened(
    member: _Member,
    head: Any,
    wallets: Mapping[UUID, Wallet],
    earlier: IdempotencyRecord | None,
    now: datetime,
) -> Opened[Any] | None:
    """What *member* decides on; None where it must go alone: a newcomer, no room for a key, a wallet to be made."""
    actor = mappers.actor_of(member.principal, head)
    if head["claimed"]:
        owned = {owner: wallets[owner] for owner in member.opening.wallets if owner in wallets}
        return Opened(actor, now, owned, epoch=head["epoch"])
    if head["caller_role"] is None:
        return None
    if actor.account_status is AccountStatus.ACTIVE and actor.role in member.opening.roles:
        return None if earlier is None else Opened(actor, now, earlier=earlier)
    return Opened(actor, now)
