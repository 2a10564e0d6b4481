"""How withdrawals end: outcome, money, record and event commit together."""

from dataclasses import dataclass, replace
from uuid import UUID

from application.database import LockedWithdrawal, WithdrawalLock
from application.transaction_context import AuditContext, Tx, details
from application.transactions import Transactions
from domain.approvals import Approval, ApprovalStatus
from domain.audit import RequestInfo
from domain.identity import Principal
from domain.limits import Limits
from domain.policies import Action, Target
from domain.wallet import TransactionKind
from domain.withdrawals import Withdrawal, WithdrawalStatus, release_hold, settle


@dataclass(frozen=True, slots=True)
class SettleCommand:
    """Which withdrawal, and how it ended."""

    withdrawal_id: UUID
    outcome: WithdrawalStatus
    reason: str | None = None


def _ask(tx: Tx[LockedWithdrawal], command: SettleCommand) -> Approval:
    """Ask for another admin's approval, unless somebody has."""
    waiting = tx.locked.waiting
    if waiting is not None and waiting.is_waiting(tx.now):
        return waiting
    if waiting is not None:
        tx.writes.approvals_decided.append(replace(waiting, status=ApprovalStatus.EXPIRED))
    asked = {"outcome": command.outcome.value, "amount": str(tx.locked.withdrawal.amount)}
    if command.reason is not None:
        asked["reason"] = command.reason
    return tx.ask_for_approval(command.withdrawal_id, asked)


class SettleWithdrawal:
    """An admin settles, once.

    It needs no key: the withdrawal itself remembers its outcome, so a retry finds the truth. A failed withdrawal
    gives its money back even to a deleted user's wallet, which nobody can spend from: a frozen wallet loses nothing.
    """

    def __init__(self, transactions: Transactions, limits: Limits = Limits()) -> None:  # noqa: B008 - frozen
        self._transactions = transactions
        self._limits = limits

    async def __call__(
        self, principal: Principal, command: SettleCommand, request: RequestInfo
    ) -> Withdrawal | Approval:
        """The withdrawal with its outcome; unchanged where it already had that outcome.

        Where a completed one needs a second admin: the approval that it waits for, the same however often it is asked.

        Raises:
            Unauthenticated, Forbidden: the caller may not, or it is their own withdrawal.
            WithdrawalNotFound: there is no such withdrawal.
            WithdrawalAlreadySettled: it has another outcome.
            BalanceLimit: the money can't come back, for the wallet is full; the withdrawal stays held.
            Unavailable: the database does not answer.
        """
        requested = details(status=command.outcome)
        audit = AuditContext(
            Action.SETTLE_WITHDRAWAL, request, command.withdrawal_id, requested, command.reason
        )

        def decide(tx: Tx[LockedWithdrawal]) -> Withdrawal | Approval:
            before = tx.locked.withdrawal
            tx.require(Target(before.user_id))
            after = settle(before, command.outcome, by=tx.actor.user_id, at=tx.now, reason=command.reason)
            if after is before:
                return before
            if after.status is WithdrawalStatus.COMPLETED and self._limits.needs_second_admin(before.amount):
                return _ask(tx, command)
            reversal = None
            if after.status is WithdrawalStatus.FAILED:
                reversal = release_hold(before, tx.locked.wallet, id=tx.new_id(), at=tx.now)
                tx.post(reversal, corrects=TransactionKind.WITHDRAWAL)
            else:
                tx.pay_out(after)
            tx.writes.withdrawals_settled.append(after)
            tx.add_audit_entry(
                before=details(status=before.status),
                after=details(
                    status=after.status,
                    user_id=after.user_id,
                    amount=after.amount,
                    transaction_id=None if reversal is None else reversal.id,
                ),
            )
            return after

        return await self._transactions.run(principal, audit, WithdrawalLock(command.withdrawal_id), decide)
