"""The way into the vault: the policy table decides, and what it refuses is recorded before it is told."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Protocol, TypeVar
from uuid import UUID

from application.ports import NewId
from application.unit_of_work import Entry, UnitOfWork, UnitOfWorkFactory
from application.vault.ports import VaultReader, VaultReaderFactory
from domain.audit import REFUSALS_KEPT, REFUSALS_PERIOD, AuditEntry, Facts, RequestInfo
from domain.errors import DomainError
from domain.identity import Actor, Assurance, Principal, Role
from domain.policies import Action, Target, record_of, refusal

NOTHING: Facts = MappingProxyType({})


class Reader(Protocol):
    """A reading transaction that finds out who is asking."""

    async def enter(self, session: Principal) -> Actor:
        """Who is asking, with role and account_status as they are now."""
        ...


R = TypeVar("R", bound=Reader)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody tries a protected action: to whom, what exactly (``asked``), why, and from where."""

    action: Action
    origin: RequestInfo
    target_id: UUID | None = None
    asked: Facts = field(default_factory=dict)
    reason: str | None = None


class Gate:
    """Decides by the table. ``vault_assurance`` is what the deployment wants of sessions in the vault."""

    vault_assurance: Assurance

    def __init__(
        self,
        units: UnitOfWorkFactory,
        readers: VaultReaderFactory,
        new_id: NewId,
        vault_assurance: Assurance,
    ) -> None:
        self._units = units
        self._readers = readers
        self._new_id = new_id
        self.vault_assurance = vault_assurance

    def allows(self, actor: Actor, action: Action) -> bool:
        """Whether the table allows it; nothing is recorded."""
        return self._refusal(actor, action, None) is None

    async def admit(
        self, uow: UnitOfWork, entry: Entry, attempt: Attempt, target: Target | None = None
    ) -> None:
        """Return if the table allows *attempt*; else record the refusal, commit that alone, and raise it.

        Nothing may be buffered in *uow* yet. Without a target only what does not depend on one is judged.

        Raises:
            Unauthenticated, Forbidden: see :func:`domain.policies.authorise`.
        """
        if refused := self._refusal(entry.actor, attempt.action, target):
            await self._record_refusal(uow, entry, attempt, refused)
            await uow.commit()
            raise refused

    def reading(
        self, session: Principal, attempt: Attempt
    ) -> AbstractAsyncContextManager[tuple[VaultReader, Actor]]:
        """A reading transaction of the vault for somebody whom the table allows it; see :meth:`reading_from`."""
        return self.reading_from(self._readers, session, attempt)

    @asynccontextmanager
    async def reading_from(
        self, readers: Callable[[], AbstractAsyncContextManager[R]], session: Principal, attempt: Attempt
    ) -> AsyncIterator[tuple[R, Actor]]:
        """A reading transaction for somebody whom the table allows it; a refusal is recorded, then raised.

        Raises:
            Unauthenticated, Forbidden: see :func:`domain.policies.authorise`.
        """
        async with readers() as reader:
            actor = await reader.enter(session)
            refused = self._refusal(actor, attempt.action, None)
            if refused is None:
                yield reader, actor
                return
        await self.record_refusal(session, attempt, refused)
        raise refused

    async def record_refusal(self, session: Principal, attempt: Attempt, refused: DomainError) -> None:
        """Record a refusal in a transaction of its own, where the one that met it must leave no trace."""
        async with self._units() as uow:
            await self._record_refusal(uow, await uow.enter(session), attempt, refused)
            await uow.commit()

    def record(
        self,
        uow: UnitOfWork,
        entry: Entry,
        attempt: Attempt,
        *,
        before: Facts,
        after: Facts,
        at: datetime,
        refused: DomainError | None = None,
    ) -> None:
        """Add what came of *attempt* to the audit log."""
        uow.record(
            AuditEntry(
                id=self._new_id(),
                actor_id=entry.actor.user_id,
                session_id=entry.actor.session.session_id,
                action=record_of(attempt.action),
                target_id=attempt.target_id,
                before=before,
                after=after,
                reason=attempt.reason,
                origin=attempt.origin,
                occurred_at=at,
                refusal=None if refused is None else refused.code,
            )
        )

    def _refusal(self, actor: Actor, action: Action, target: Target | None) -> DomainError | None:
        return refusal(actor, action, target, vault_assurance=self.vault_assurance)

    async def _record_refusal(
        self, uow: UnitOfWork, entry: Entry, attempt: Attempt, refused: DomainError
    ) -> None:
        """Staff have every refusal recorded; anybody else a few, so that nobody fills the log."""
        actor, now = entry.actor, entry.now
        if actor.role is Role.USER:
            recorded = await uow.refusals_of(actor.user_id, since=now - REFUSALS_PERIOD)
            if recorded >= REFUSALS_KEPT:
                return
        self.record(uow, entry, attempt, before=NOTHING, after=attempt.asked, at=now, refused=refused)


def facts(**values: object) -> Mapping[str, str | int | None]:
    """What an audit row says: numbers as they are, anything else as its text."""
    return {
        name: value if value is None or isinstance(value, int) else str(value)
        for name, value in values.items()
    }
