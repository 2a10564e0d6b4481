"""Withdrawals: money is held at once, and settled once, for good."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.errors import InvalidInput, WalletFrozen, WithdrawalAlreadySettled
from domain.ledger import Account, LedgerEntry
from domain.money import Money
from domain.wallet import Transaction, TransactionKind, Wallet


class WithdrawalStatus(StrEnum):
    """Where a withdrawal stands: it begins as held, and ends as one of the others."""

    HELD = "held"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A request to pay out ``amount``, which left the wallet with the transaction ``transaction_id``. Times are UTC."""

    id: UUID
    user_id: UUID
    amount: Money
    status: WithdrawalStatus
    transaction_id: UUID
    created_at: datetime
    settled_by: UUID | None = None
    settled_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """A new withdrawal, and the transaction that took its money out of the wallet."""

    withdrawal: Withdrawal
    transaction: Transaction


def hold(wallet: Wallet, amount: Money, *, ids: tuple[UUID, UUID], at: datetime, note: str | None) -> Hold:
    """Take *amount* out of *wallet* to be paid out; *ids* are the withdrawal's and its transaction's.

    Raises:
        WalletFrozen: nothing leaves it.
        InsufficientFunds: the wallet holds less.
    """
    if wallet.frozen:
        raise WalletFrozen
    withdrawal_id, transaction_id = ids
    taken = wallet.book(
        TransactionKind.WITHDRAWAL, -amount, id=transaction_id, at=at, reference_id=withdrawal_id, note=note
    )
    held = Withdrawal(
        id=withdrawal_id,
        user_id=wallet.user_id,
        amount=amount,
        status=WithdrawalStatus.HELD,
        transaction_id=transaction_id,
        created_at=at,
    )
    return Hold(held, taken)


def settle(
    withdrawal: Withdrawal, outcome: WithdrawalStatus, *, by: UUID, at: datetime, reason: str | None
) -> Withdrawal:
    """The withdrawal with its *outcome*; the same withdrawal where it already has that outcome.

    Raises:
        InvalidInput: *outcome* is no outcome.
        WithdrawalAlreadySettled: it has another outcome.
    """
    if outcome is WithdrawalStatus.HELD:
        raise InvalidInput("A withdrawal is settled as completed or failed.")
    if withdrawal.status is outcome:
        return withdrawal
    if withdrawal.status is not WithdrawalStatus.HELD:
        raise WithdrawalAlreadySettled
    return replace(withdrawal, status=outcome, settled_by=by, settled_at=at, reason=reason)


def paid_out(withdrawal: Withdrawal) -> tuple[LedgerEntry, LedgerEntry]:
    """What a completed *withdrawal* moves between the accounts; no wallet moves any more."""
    if withdrawal.status is not WithdrawalStatus.COMPLETED or withdrawal.settled_at is None:
        raise ValueError("the withdrawal is not completed")
    at, amount = withdrawal.settled_at, withdrawal.amount
    return (
        LedgerEntry(withdrawal.id, Account.PAYOUTS_PENDING, -amount, at),
        LedgerEntry(withdrawal.id, Account.PAYOUTS_PAID, amount, at),
    )


def release_hold(withdrawal: Withdrawal, wallet: Wallet, *, id: UUID, at: datetime) -> Transaction:
    """The reversal that a failed *withdrawal* owes its *wallet*; *id* is the new transaction's.

    Raises:
        BalanceLimit: the wallet can't take it now; the withdrawal stays held, and nothing is lost.
    """
    return wallet.book(
        TransactionKind.REVERSAL, withdrawal.amount, id=id, at=at, reference_id=withdrawal.transaction_id
    )
