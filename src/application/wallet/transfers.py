"""Move money from the caller's wallet to another user's."""

from dataclasses import dataclass
from uuid import UUID

from application.idempotency import IdempotencyKey, StoredResponse
from application.transaction_context import Tx
from application.transactions import Transactions
from domain.errors import InvalidInput, UserNotFound
from domain.identity import Principal
from domain.limits import Limits
from domain.money import Money
from domain.policies import Action
from domain.wallet import Transaction, transfer


@dataclass(frozen=True, slots=True)
class TransferCommand:
    """Who gets how much."""

    recipient_id: UUID
    amount: Money
    note: str | None = None


@dataclass(frozen=True, slots=True)
class PostedTransaction:
    """What was posted on one wallet, with its balance and version after it, and the ledger's epoch."""

    transaction: Transaction
    balance: Money
    version: int
    epoch: int

    @classmethod
    def of(cls, row: Transaction, epoch: int) -> "PostedTransaction":
        """The answer that *row* is."""
        return cls(row, row.balance_after, row.version, epoch)


class TransferFunds:
    """A user pays another: two ledger rows that sum to zero, and an event to each."""

    def __init__(self, transactions: Transactions, limits: Limits = Limits()) -> None:  # noqa: B008 - frozen
        self._transactions = transactions
        self._limits = limits

    async def __call__(
        self, principal: Principal, command: TransferCommand, key: IdempotencyKey[PostedTransaction]
    ) -> StoredResponse:
        """Transfer once for each key.

        Raises:
            InvalidInput: to oneself.
            UserNotFound: the recipient has no profile, or was deleted.
            InsufficientFunds, BalanceLimit, DailyLimit: a wallet does not allow it.
            and what :meth:`application.transactions.Transactions.run_idempotent` raises.
        """
        if command.recipient_id == principal.user_id:
            raise InvalidInput("A transfer goes to another user.")

        def decide(tx: Tx[None]) -> PostedTransaction:
            recipient = tx.wallets.get(command.recipient_id)
            if recipient is None:
                raise UserNotFound
            sender = tx.wallets[principal.user_id]
            self._limits.check_transfer(sender, command.amount)
            sent, received = transfer(
                sender,
                recipient,
                command.amount,
                ids=(tx.new_id(), tx.new_id(), tx.new_id()),
                at=tx.now,
                note=command.note,
            )
            tx.post(sent, received)
            return PostedTransaction.of(sent, tx.epoch)

        wallets = {principal.user_id, command.recipient_id}
        return await self._transactions.run_idempotent(
            principal,
            Action.TRANSFER,
            key,
            decide,
            wallets=wallets,
            counts_spending=self._limits.transfer_daily is not None,
        )
