"""What waits for a second admin: what is approved happens in the same transaction."""

from dataclasses import dataclass
from uuid import UUID

from application.database import ApprovalLock, LockedApproval
from application.transaction_context import AuditContext, Tx, details
from application.transactions import Transactions
from application.vault.adjustments import command_of, post_adjustment
from domain.approvals import Approval, ApprovalStatus
from domain.audit import AuditDetails, RequestInfo
from domain.errors import UserNotFound
from domain.identity import Principal
from domain.policies import Action, Target
from domain.withdrawals import WithdrawalStatus, settle


@dataclass(frozen=True, slots=True)
class DecideCommand:
    """Which approval, what is decided (approved or rejected), and why."""

    approval_id: UUID
    status: ApprovalStatus
    reason: str | None = None


class DecideApproval:
    """Another admin than the one who asked approves or rejects. It needs no key: the approval remembers."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def __call__(self, principal: Principal, command: DecideCommand, request: RequestInfo) -> Approval:
        """The approval as decided; unchanged where that was decided before.

        Raises:
            Unauthenticated, Forbidden: the caller may not, asked for it, or owns the wallet.
            NotFound: there is no such approval, or it does not wait any more.
            UserNotFound, InsufficientFunds, BalanceLimit, WithdrawalAlreadySettled: it can't be done now; it waits on.
            Unavailable: the database does not answer.
        """
        audit = AuditContext(
            Action.DECIDE_APPROVAL,
            request,
            command.approval_id,
            details(status=command.status),
            command.reason,
        )

        def decide(tx: Tx[LockedApproval]) -> Approval:
            before = tx.locked.approval
            tx.require(Target(before.requested_by))
            tx.require(Target(_owner(tx.locked)))
            after = before.decide(command.status, by=tx.actor.user_id, at=tx.now)
            if after is before:
                return before
            done = _carry_out(tx) if after.status is ApprovalStatus.APPROVED else {}
            tx.writes.approvals_decided.append(after)
            tx.add_audit_entry(
                before=details(status=before.status, requested_by=before.requested_by),
                after={
                    **details(status=after.status, action=after.action, approved_by=after.decided_by),
                    **done,
                },
            )
            return after

        return await self._transactions.run(principal, audit, ApprovalLock(command.approval_id), decide)


def _owner(locked: LockedApproval) -> UUID:
    return locked.approval.target_id if locked.withdrawal is None else locked.withdrawal.user_id


def _carry_out(tx: Tx[LockedApproval]) -> AuditDetails:
    """Do what was asked for; what the audit log says of it."""
    approval, withdrawal = tx.locked.approval, tx.locked.withdrawal
    if withdrawal is not None:
        by, reason = tx.actor.user_id, approval.request.get("reason")
        settled = settle(withdrawal, WithdrawalStatus.COMPLETED, by=by, at=tx.now, reason=reason)
        if settled is not withdrawal:
            tx.writes.withdrawals_settled.append(settled)
            tx.pay_out(settled)
        return details(withdrawal_id=settled.id, status=settled.status, amount=settled.amount)
    if tx.locked.wallet is None:
        raise UserNotFound
    _, after = post_adjustment(tx, tx.locked.wallet, command_of(approval))
    return {**after, "user_id": str(approval.target_id)}
