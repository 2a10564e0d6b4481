"""Say how a withdrawal ended: the outcome, the money given back, the record and the event commit together."""

from dataclasses import dataclass
from uuid import UUID

from application.unit_of_work import Entry, UnitOfWorkFactory, retry_conflicts
from application.wallet.bookkeeper import Bookkeeper
from domain.audit import AuditAction, AuditEntry, Origin
from domain.identity import Session
from domain.policies import Action, Target, authorise
from domain.wallet import Transaction
from domain.withdrawals import Withdrawal, WithdrawalStatus, give_back, settle


@dataclass(frozen=True, slots=True)
class SettleCommand:
    """Which withdrawal, and how it ended."""

    withdrawal_id: UUID
    outcome: WithdrawalStatus
    reason: str | None = None


class SettleWithdrawal:
    """An admin settles, once. Costs BEGIN, three statements and COMMIT.

    It needs no key: the withdrawal itself remembers its outcome, so a retry finds the truth. The caller's right is
    read before anything of others is locked. A failed withdrawal gives its money back even to a deleted user's
    wallet, which nobody can spend from: a frozen wallet loses nothing.
    """

    def __init__(self, units: UnitOfWorkFactory, bookkeeper: Bookkeeper) -> None:
        self._units = units
        self._bookkeeper = bookkeeper

    @retry_conflicts
    async def __call__(self, session: Session, command: SettleCommand, origin: Origin) -> Withdrawal:
        """The withdrawal with its outcome; unchanged where it already had that outcome.

        Raises:
            Unauthenticated, Forbidden: the caller may not, or it is their own withdrawal.
            WithdrawalNotFound: there is no such withdrawal.
            WithdrawalAlreadySettled: it has another outcome.
            BalanceLimit: the money can't come back, for the wallet is full; the withdrawal stays held.
            Unavailable: the database does not answer.
        """
        async with self._units() as uow:
            entry = await uow.enter(session)
            authorise(entry.actor, Action.SETTLE_WITHDRAWAL)
            case = await uow.lock_withdrawal(command.withdrawal_id)
            before = case.withdrawal
            authorise(entry.actor, Action.SETTLE_WITHDRAWAL, Target(owner_id=before.user_id))
            after = settle(
                before, command.outcome, by=entry.actor.user_id, at=case.now, reason=command.reason
            )
            if after is before:
                return before
            reversal = None
            if after.status is WithdrawalStatus.FAILED:
                reversal = give_back(before, case.wallet, id=self._bookkeeper.new_id(), at=case.now)
                self._bookkeeper.book(uow, reversal)
            uow.save_withdrawal(after)
            uow.record(self._audit(before, after, reversal, entry, origin))
            await uow.commit()
            return after

    def _audit(
        self,
        before: Withdrawal,
        after: Withdrawal,
        reversal: Transaction | None,
        entry: Entry,
        origin: Origin,
    ) -> AuditEntry:
        return AuditEntry(
            id=self._bookkeeper.new_id(),
            actor_id=entry.actor.user_id,
            session_id=entry.actor.session.session_id,
            action=AuditAction.WITHDRAWAL_SETTLED,
            target_id=after.id,
            before={"status": before.status},
            after={
                "status": after.status,
                "user_id": str(after.user_id),
                "amount": str(after.amount),
                "transaction_id": None if reversal is None else str(reversal.id),
            },
            reason=after.reason,
            origin=origin,
            occurred_at=entry.now,
        )
