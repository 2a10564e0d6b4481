"""Say how a withdrawal ended: the outcome, the money given back, the record and the event commit together."""

from dataclasses import dataclass
from uuid import UUID

from application.unit_of_work import Lock, UnitOfWorkFactory, retry_conflicts
from application.vault.gate import Attempt, Gate, facts
from application.wallet.bookkeeper import Bookkeeper
from domain.audit import RequestInfo
from domain.identity import Principal
from domain.policies import Action, Target
from domain.withdrawals import Withdrawal, WithdrawalStatus, give_back, settle


@dataclass(frozen=True, slots=True)
class SettleCommand:
    """Which withdrawal, and how it ended."""

    withdrawal_id: UUID
    outcome: WithdrawalStatus
    reason: str | None = None


class SettleWithdrawal:
    """An admin settles, once. Costs BEGIN, four statements and COMMIT.

    It needs no key: the withdrawal itself remembers its outcome, so a retry finds the truth. The caller's right is
    read before anything of others is locked. A failed withdrawal gives its money back even to a deleted user's
    wallet, which nobody can spend from: a frozen wallet loses nothing.
    """

    def __init__(self, units: UnitOfWorkFactory, bookkeeper: Bookkeeper, gate: Gate) -> None:
        self._units = units
        self._bookkeeper = bookkeeper
        self._gate = gate

    @retry_conflicts
    async def __call__(self, session: Principal, command: SettleCommand, origin: RequestInfo) -> Withdrawal:
        """The withdrawal with its outcome; unchanged where it already had that outcome.

        Raises:
            Unauthenticated, Forbidden: the caller may not, or it is their own withdrawal.
            WithdrawalNotFound: there is no such withdrawal.
            WithdrawalAlreadySettled: it has another outcome.
            BalanceLimit: the money can't come back, for the wallet is full; the withdrawal stays held.
            Unavailable: the database does not answer.
        """
        asked = facts(status=command.outcome)
        attempt = Attempt(Action.SETTLE_WITHDRAWAL, origin, command.withdrawal_id, asked, command.reason)
        async with self._units() as uow:
            entry = await uow.enter(session, lock=Lock.CALLER)
            await self._gate.admit(uow, entry, attempt)
            case = await uow.lock_withdrawal(command.withdrawal_id)
            before = case.withdrawal
            await self._gate.admit(uow, entry, attempt, Target(before.user_id))
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
            self._gate.record(
                uow,
                entry,
                attempt,
                before=facts(status=before.status),
                after=facts(
                    status=after.status,
                    user_id=after.user_id,
                    amount=after.amount,
                    transaction_id=None if reversal is None else reversal.id,
                ),
                at=case.now,
            )
            await uow.commit()
            return after
