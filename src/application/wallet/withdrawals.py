"""Ask for money to be paid out: it leaves the balance at once, and waits to be settled."""

from dataclasses import dataclass

from application.idempotency import IdempotencyKey, StoredResponse
from application.transactions import Transactions, Tx
from domain.identity import Principal
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

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def __call__(
        self, principal: Principal, command: WithdrawCommand, key: IdempotencyKey[PostedWithdrawal]
    ) -> StoredResponse:
        """Hold the money once for each key.

        Raises:
            InsufficientFunds: the wallet holds less.
            and what :meth:`application.transactions.Transactions.run_idempotent` raises.
        """

        def decide(tx: Tx[None]) -> PostedWithdrawal:
            wallet = tx.wallets[principal.user_id]
            held = hold(wallet, command.amount, ids=(tx.new_id(), tx.new_id()), at=tx.now, note=command.note)
            row = held.transaction
            tx.ledger.post(row)
            tx.writes.withdrawals.append(held.withdrawal)
            return PostedWithdrawal(held.withdrawal, row, row.balance_after, row.version, tx.epoch)

        return await self._transactions.run_idempotent(
            principal, Action.WITHDRAW, key, decide, wallets={principal.user_id}
        )
