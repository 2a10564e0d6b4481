"""What the members of one group share: a claim with locks, decisions in turn, a write, a COMMIT."""

import asyncio
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from application.database import Opened, Opening, WriteBatch
from application.idempotency import KEYS_PER_DAY, IdempotencyRecord
from domain.errors import DomainError, SerializationConflict, Unavailable
from domain.identity import AccountStatus, Principal
from domain.wallet import Wallet
from infrastructure.postgres import idempotency, mappers
from infrastructure.postgres.transactions import PostgresTransaction

ALONE: ContextVar[tuple[UUID, str] | None] = ContextVar("alone", default=None)
"""The caller and key that a group could not serve: its next attempt goes alone."""

log = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class Member:
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
            ALONE.set(self.key)
            raise


def fail(members: Sequence[Member], error: Exception, *, committing: bool) -> None:
    """Before COMMIT everybody goes alone once; after it nobody knows, and the same key finds out."""
    if not isinstance(error, DomainError):
        log.error("group_commit.failed", exc_info=error)
    for member in members:
        if not member.asked.done():
            member.asked.set_result(None)
        member.ended.set_exception(Unavailable() if committing else SerializationConflict())
        member.ended.exception()  # seen, even where nobody waits for it


async def decide_in_turn(transaction: PostgresTransaction[Any], members: Sequence[Member]) -> None:
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


def _arguments(members: Sequence[Member]) -> tuple[object, ...]:
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
    member: Member,
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
