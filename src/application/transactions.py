"""The one door to everything that changes something: who asks, may they, decide, write, commit.

A use-case gives its decision as a pure function of what is locked; the door runs it, once more where the database
broke a conflict. What the decision buffers is written, with the audit row and the key's answer, in one statement, or
not at all.
"""

from collections.abc import Callable, Collection, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import stamina

from application.database import (
    CallerLock,
    Database,
    KeyedResponse,
    Lock,
    Opened,
    Opening,
    RefusalsLock,
    WriteBatch,
)
from application.idempotency import IdempotencyKey, StoredResponse
from application.ports import NewId
from application.transaction_context import NO_DETAILS, AuditContext, Tx
from domain.audit import REFUSALS_KEPT
from domain.errors import DomainError, Forbidden, Refusal, SerializationConflict, Unauthenticated
from domain.identity import Actor, Principal, Role
from domain.policies import Action, Requirements, Target, refusal, roles_for

T = TypeVar("T")
L = TypeVar("L")
P = ParamSpec("P")
R = TypeVar("R")


def retry_conflicts(run: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Coroutine[Any, Any, R]]:
    """*run*, again a few times when the database broke a deadlock or a serialization cycle."""
    again = stamina.retry(
        on=SerializationConflict, attempts=3, timeout=5, wait_initial=0.01, wait_max=0.2, wait_jitter=0.05
    )(run)

    @wraps(run)
    async def first(*arguments: P.args, **named: P.kwargs) -> R:
        try:
            return await run(*arguments, **named)  # nearly always the only time, so it is not counted
        except SerializationConflict:
            return await again(*arguments, **named)

    return first


class Transactions:
    """The door. ``currency`` (ISO 4217) and ``requirements`` are the deployment's."""

    def __init__(self, database: Database, new_id: NewId, currency: str, requirements: Requirements) -> None:
        self._database = database
        self._new_id = new_id
        self._currency = currency
        self._requirements = requirements

    def refusal(self, actor: Actor, action: Action, target: Target | None = None) -> DomainError | None:
        """Why the policy table says no; see :func:`domain.policies.refusal`."""
        return refusal(actor, action, target, requirements=self._requirements)

    @retry_conflicts
    async def run(
        self, principal: Principal, audit: AuditContext, lock: Lock[L], decide: Callable[[Tx[L]], T]
    ) -> T:
        """Run a vault's decision on what *lock* names; a decision that buffers nothing writes nothing.

        Costs BEGIN, two statements, one that writes, and COMMIT. A refusal of the policy table is recorded by
        itself, then raised.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            NotFound: there is nothing to lock.
            DomainError: what *decide* raises; nothing is written.
            Unavailable: the database does not answer.
        """
        try:
            async with self._database.begin(principal, Opening(roles_for(audit.action), lock)) as transaction:
                opened = transaction.opened
                if refused := refusal(opened.actor, audit.action, requirements=self._requirements):
                    raise refused
                if isinstance(opened.locked, DomainError):
                    raise opened.locked
                if opened.locked is None:
                    raise RuntimeError("a role that may do it was not named")
                tx = self._context(opened, opened.locked, audit.action, audit)
                result = decide(tx)
                if tx.writes:
                    await transaction.commit(tx.writes)
                return result
        except (Unauthenticated, Forbidden) as error:
            await self.record_refusal(principal, audit, error)
            raise

    @retry_conflicts
    async def run_idempotent(
        self,
        principal: Principal,
        action: Action,
        key: IdempotencyKey[T],
        decide: Callable[[Tx[None]], T],
        *,
        wallets: Collection[UUID],
        target: Target = Target(),  # noqa: B008 - frozen
        audit: AuditContext | None = None,
        counts_spending: bool = False,
    ) -> StoredResponse:
        """Run *decide* once for each key, however often the request comes; *wallets* are locked.

        Whether the caller may do it is settled before any replay, and never touches the key. A refusal that sticks
        drops what was buffered, is stored with the key, and is raised. Costs BEGIN, two statements and COMMIT; one
        more where *audit* says that it is the vault's, for the lock of the caller's role.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            IdempotencyKeyReused, IdempotencyKeyInProgress, RateLimited: the key says so.
            Refusal: what *decide* answers at the first request; later ones get it as a response.
            Unavailable: the database does not answer.
        """
        lock = None if audit is None else CallerLock()
        opening: Opening[None] = Opening(roles_for(action), lock, key, wallets, counts_spending)
        try:
            async with self._database.begin(principal, opening) as transaction:
                opened = transaction.opened
                if refused := refusal(opened.actor, action, target, requirements=self._requirements):
                    raise refused
                if opened.earlier is not None:
                    return opened.earlier.replay(key)
                tx = self._context(opened, None, action, audit)
                writes, sticking = tx.writes, None
                try:
                    response = key.to_response(decide(tx))
                except Refusal as error:
                    writes, sticking, response = WriteBatch(), error, key.to_response(error)
                writes.responses.append(KeyedResponse(principal.user_id, key.key, response))
                await transaction.commit(writes)
                if sticking is not None:
                    raise sticking
                return response
        except (Unauthenticated, Forbidden) as error:
            if audit is not None:
                await self.record_refusal(principal, audit, error)
            raise

    def _context(self, opened: Opened[Any], locked: L, action: Action, audit: AuditContext | None) -> Tx[L]:
        return Tx(
            action=action,
            audit=audit,
            requirements=self._requirements,
            actor=opened.actor,
            now=opened.now,
            wallets=opened.wallets,
            locked=locked,
            epoch=opened.epoch,
            new_id=self._new_id,
            currency=self._currency,
        )

    @retry_conflicts
    async def record_refusal(self, principal: Principal, audit: AuditContext, refused: DomainError) -> None:
        """Record a refusal: staff have all of theirs recorded, anybody else a few, so that nobody fills the log.

        By itself: the transaction that was refused leaves no trace, not even its key.
        """
        opening = Opening(frozenset(Role), RefusalsLock())
        async with self._database.begin(principal, opening) as transaction:
            opened = transaction.opened
            recorded = opened.locked if isinstance(opened.locked, int) else 0
            if opened.actor.role is Role.USER and recorded >= REFUSALS_KEPT:
                return
            entry = audit.entry(
                self._new_id(),
                opened.actor,
                opened.now,
                before=NO_DETAILS,
                after=audit.requested,
                refusal=refused.code,
            )
            await transaction.commit(WriteBatch(audit=[entry]))
