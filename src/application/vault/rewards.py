"""Say what approvals pay."""

from application.database import RateLock
from application.transaction_context import AuditContext, Tx, details
from application.transactions import Transactions
from domain.audit import RequestInfo
from domain.identity import Principal
from domain.money import Money
from domain.policies import Action
from domain.rewards import RewardedAction, RewardRate


class ChangeRewardRate:
    """An admin says what an approval pays from now on; what was paid stays."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def __call__(
        self, principal: Principal, action: RewardedAction, amount: Money, request: RequestInfo
    ) -> RewardRate:
        """The rate in force now; the same rate again changes and records nothing.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            Unavailable: the database does not answer.
        """
        requested = details(action=action, amount=amount)
        audit = AuditContext(Action.CHANGE_REWARD_RATE, request, requested=requested)

        def decide(tx: Tx[RewardRate]) -> RewardRate:
            before = tx.locked
            if amount == before.amount:
                return before
            after = RewardRate(action, amount, tx.now)
            tx.writes.rates.append(after)
            tx.add_audit_entry(before=details(action=action, amount=before.amount), after=requested)
            return after

        return await self._transactions.run(principal, audit, RateLock(action), decide)
