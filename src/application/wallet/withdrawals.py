"""Ask for money to be paid out: it leaves the balance at once, and waits to be settled."""

from dataclasses import dataclass

from application.idempotency import IdempotencyKey, StoredResponse
from application.transaction_context import Tx
from application.transactions import Transactions
from domain.identity import Principal
from domain.limits import Limits
from domain.money import Money
from domain.policies import Action
from domain.wallet import Transaction
from domain.withdrawals import Withdrawal, hold


@dataclass(frozen=True, slots=True)
class WithdrawCommand:
    """How much is to be paid out."""

    amount: Money
    note: str | None = None


@dataclass(frozen=True, slots=True)
class PostedWithdrawal:
    """The withdrawal, the transaction that took its money, and the wallet's balance and version after it."""

    withdrawal: Withdrawal
    transaction: Transaction
    balance: Money
    version: int
    epoch: int


class WithdrawFunds:
    """A user takes money out."""

    def __init__(self, transactions: Transactions, limits: Limits = Limits()) -> None:  # noqa: B008 - frozen
        self._transactions = transactions
        self._limits = limits

    async def __call__(
        self, principal: Principal, command: WithdrawCommand, key: IdempotencyKey[PostedWithdrawal]
    ) -> StoredResponse:
        """Hold the money once for each key.

        Raises:
            BelowMinimum, DailyLimit: the deployment does not allow it.
            InsufficientFunds: the wallet holds less.
            and what :meth:`application.transactions.Transactions.run_idempotent` raises.
        """

        def decide(tx: Tx[None]) -> PostedWithdrawal:
            wallet = tx.wallets[principal.user_id]
            self._limits.check_withdrawal(wallet, command.amount)
            held = hold(wallet, command.amount, ids=(tx.new_id(), tx.new_id()), at=tx.now, note=command.note)
            row = held.transaction
            tx.post(row)
            tx.writes.withdrawals.append(held.withdrawal)
            return PostedWithdrawal(held.withdrawal, row, row.balance_after, row.version, tx.epoch)

        return await self._transactions.run_idempotent(
            principal,
            Action.WITHDRAW,
            key,
            decide,
            wallets={principal.user_id},
            counts_spending=self._limits.withdrawal_daily is not None,
        )
