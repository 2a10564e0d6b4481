"""What a decision sees of its transaction, and where it puts what is to be written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final, Generic, TypeVar
from uuid import UUID

from application.database import WriteBatch
from application.ports import NewId
from domain.approvals import Approval, ask
from domain.audit import AuditAction, AuditDetails, AuditEntry, RequestInfo
from domain.events import BalanceUpdated
from domain.identity import Actor
from domain.policies import Action, Requirements, Target, audit_action, refusal
from domain.wallet import Transaction, TransactionKind, Wallet
from domain.withdrawals import Withdrawal, paid_out

L = TypeVar("L")
NO_DETAILS: Final[AuditDetails] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class AuditContext:
    """Somebody tries a protected action: to whom, what exactly (``requested``), why, and from where."""

    action: Action
    request: RequestInfo
    target_id: UUID | None = None
    requested: AuditDetails = field(default_factory=dict)
    reason: str | None = None

    def entry(
        self,
        id: UUID,
        actor: Actor,
        at: datetime,
        *,
        before: AuditDetails,
        after: AuditDetails,
        refusal: str | None = None,
        action: AuditAction | None = None,
    ) -> AuditEntry:
        """The row of the audit log for what came of it, under another word where *action* is given."""
        return AuditEntry(
            id=id,
            actor_id=actor.user_id,
            session_id=actor.principal.session_id,
            action=action or audit_action(self.action),
            target_id=self.target_id,
            before=before,
            after=after,
            reason=self.reason,
            request=self.request,
            occurred_at=at,
            refusal=refusal,
        )


def details(**values: object) -> AuditDetails:
    """What an audit row says: numbers as they are, anything else as its text."""
    return {
        name: value if value is None or isinstance(value, int) else str(value)
        for name, value in values.items()
    }


@dataclass(frozen=True, slots=True)
class Tx(Generic[L]):
    """What a decision sees of its transaction, and where it puts what is to be written.

    ``wallets``, ``locked``, ``now`` and ``epoch`` are as :class:`application.database.Opened` says.
    """

    action: Action
    audit: AuditContext | None
    requirements: Requirements
    actor: Actor
    now: datetime
    wallets: Mapping[UUID, Wallet]
    locked: L
    epoch: int
    new_id: NewId
    currency: str
    writes: WriteBatch = field(default_factory=WriteBatch)

    def require(self, target: Target) -> None:
        """Return if the caller may do it to *target*.

        Raises:
            Forbidden: one of the rules refuses; the door records it.
        """
        if refused := refusal(self.actor, self.action, target, requirements=self.requirements):
            raise refused

    def is_allowed(self, action: Action) -> bool:
        """Whether the caller may do something else too; nothing is recorded."""
        return refusal(self.actor, action, requirements=self.requirements) is None

    def post(self, *transactions: Transaction, corrects: TransactionKind | None = None) -> None:
        """Append *transactions* to the ledger, each with its other side and the event that it owes its user.

        Their wallets must be locked. A reversal says the kind that it *corrects*.
        """
        for row in transactions:
            self.writes.transactions.append(row)
            if (other := row.other_side(corrects)) is not None:
                self.writes.entries.append(other)
            self.writes.events.append(
                BalanceUpdated.of(row, event_id=self.new_id(), currency=self.currency, epoch=self.epoch)
            )

    def pay_out(self, withdrawal: Withdrawal) -> None:
        """Move what a completed *withdrawal* held from what is owed to what was paid."""
        self.writes.entries.extend(paid_out(withdrawal))

    def add_audit_entry(
        self, *, before: AuditDetails, after: AuditDetails, action: AuditAction | None = None
    ) -> None:
        """Record what came of the action, under another word where one is given."""
        if self.audit is None:
            raise RuntimeError("only the vault's actions are recorded")
        self.writes.audit.append(
            self.audit.entry(self.new_id(), self.actor, self.now, before=before, after=after, action=action)
        )

    def ask_for_approval(self, target_id: UUID, request: Mapping[str, str]) -> Approval:
        """Put *request* before the other admins instead, and record that it was asked for."""
        approval = ask(
            self.action.value, target_id, request, id=self.new_id(), by=self.actor.user_id, at=self.now
        )
        self.writes.approvals.append(approval)
        self.add_audit_entry(
            before=NO_DETAILS,
            after=details(approval_id=approval.id, action=approval.action, **request),
            action=AuditAction.APPROVAL_REQUESTED,
        )
        return approval
