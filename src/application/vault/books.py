"""The books: what every account comes to, and what takes a transaction back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.authorization import Authorizer
from application.ports import Row
from application.transactions import (
    AuditContext,
    LockedTransaction,
    TransactionLock,
    Transactions,
    Tx,
    details,
)
from domain.audit import RequestInfo
from domain.errors import UserNotFound
from domain.identity import Principal
from domain.money import Money
from domain.policies import Action, Target
from domain.wallet import Transaction, Wallet, reverse


class ReadBooks:
    """Every account with its total, for admins."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def __call__(
        self, principal: Principal, at: datetime | None, request: RequestInfo
    ) -> Sequence[Row]:
        """``account`` and ``total`` of each, all wallets together as one, now or as it was at *at* (UTC).

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            Unavailable: the database does not answer.
        """
        audit = AuditContext(Action.READ_BOOKS, request)
        async with self._authorizer.authorized_reader(principal, audit) as (reader, _):
            return await reader.books(at)


@dataclass(frozen=True, slots=True)
class ReverseCommand:
    """Which transaction, and why it is taken back."""

    transaction_id: UUID
    reason: str


@dataclass(frozen=True, slots=True)
class PostedReversal:
    """The rows that took a transaction back, what its wallet could not give, and whether they were there before."""

    transactions: tuple[Transaction, ...]
    shortfall: Money
    is_new: bool


class ReverseTransaction:
    """An admin takes an adjustment or a transfer back, once. It needs no key: the rows name what they take back."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def __call__(
        self, principal: Principal, command: ReverseCommand, request: RequestInfo
    ) -> PostedReversal:
        """The rows that take it back; those of the first time where it was done already.

        Raises:
            Unauthenticated, Forbidden: the caller may not, or a wallet is their own.
            NotFound: there is no such transaction.
            UserNotFound: a wallet is a deleted user's.
            InvalidInput: it is neither an adjustment nor a transfer.
            InsufficientFunds, BalanceLimit: nothing of it can be taken back now.
            Unavailable: the database does not answer.
        """
        audit = AuditContext(
            Action.REVERSE_TRANSACTION, request, command.transaction_id, reason=command.reason
        )

        def decide(tx: Tx[LockedTransaction]) -> PostedReversal:
            locked = tx.locked
            row, other = locked.row, locked.other
            tx.require(Target(row.user_id))
            if other is not None:
                tx.require(Target(other.user_id))
            if locked.reversals:
                taken = max(locked.reversals[0].amount, -locked.reversals[0].amount)
                return PostedReversal(locked.reversals, max(row.amount, -row.amount) - taken, is_new=False)
            second = None if other is None else (other, _wallet(locked, other), tx.new_id())
            reversal = reverse(row, _wallet(locked, row), id=tx.new_id(), at=tx.now, other=second)
            for posted, corrected in zip(reversal.rows, filter(None, (row, other)), strict=True):
                tx.ledger.post(posted, corrects=corrected.kind)
            tx.add_audit_entry(
                before=details(kind=row.kind, amount=row.amount, user_id=row.user_id),
                after=details(
                    corrects=row.id,
                    transaction_id=reversal.rows[0].id,
                    other_transaction_id=reversal.rows[1].id if other else None,
                    amount=reversal.rows[0].amount,
                    shortfall=reversal.shortfall,
                ),
            )
            return PostedReversal(reversal.rows, reversal.shortfall, is_new=True)

        return await self._transactions.run(principal, audit, TransactionLock(command.transaction_id), decide)


def _wallet(locked: LockedTransaction, row: Transaction) -> Wallet:
    wallet = locked.wallets.get(row.user_id)
    if wallet is None:
        raise UserNotFound
    return wallet
