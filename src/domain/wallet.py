"""Wallets and the ledger: what a movement of money does to a balance. Pure; the rows are immutable."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final
from uuid import UUID

from domain.errors import InsufficientFunds, WalletFrozen
from domain.ledger import GENESIS, Account, LedgerEntry, hash_row
from domain.money import NOTHING, ZERO, Money


class TransactionKind(StrEnum):
    """Why a balance changed; each kind has one sign and one sort of reference (docs/architecture.md)."""

    EARNING = "earning"
    BONUS = "bonus"
    REFUND = "refund"
    PENALTY = "penalty"
    TRANSFER_OUT = "transfer_out"
    TRANSFER_IN = "transfer_in"
    WITHDRAWAL = "withdrawal"
    REVERSAL = "reversal"
    OPENING = "opening"


_ACCOUNTS: Final[dict[str, Account]] = {
    TransactionKind.EARNING: Account.REWARDS,
    TransactionKind.BONUS: Account.ADJUSTMENTS,
    TransactionKind.REFUND: Account.ADJUSTMENTS,
    TransactionKind.PENALTY: Account.ADJUSTMENTS,
    TransactionKind.WITHDRAWAL: Account.PAYOUTS_PENDING,
    TransactionKind.OPENING: Account.OPENING,
}
TRANSFERS: Final = frozenset({TransactionKind.TRANSFER_OUT, TransactionKind.TRANSFER_IN})
ADJUSTMENTS: Final = frozenset({TransactionKind.BONUS, TransactionKind.REFUND, TransactionKind.PENALTY})
CORRECTABLE: Final = TRANSFERS | ADJUSTMENTS
"""What an admin can take back by name; earnings and withdrawals have ways of their own."""


def account_against(kind: str, corrects: str | None = None) -> Account | None:
    """Where the other side of a row is; None for a transfer's, whose other side is a wallet's row.

    A reversal stands where what it *corrects* did; what takes a transfer back is an adjustment.
    """
    if kind in TRANSFERS:
        return None
    standing = corrects if kind == TransactionKind.REVERSAL else kind
    return _ACCOUNTS.get(standing or "", Account.ADJUSTMENTS)


@dataclass(frozen=True, slots=True)
class Transaction:
    """One immutable ledger row of one wallet.

    ``amount`` is signed; ``balance_after`` and ``version`` (1, 2, 3, … without gaps) are the wallet's after it.
    ``created_at`` is UTC. ``hash`` (64 hex digits) covers this row and, through the hash before it, all rows of the
    wallet up to it; the note is not covered.
    """

    id: UUID
    user_id: UUID
    kind: TransactionKind
    amount: Money
    balance_after: Money
    version: int
    created_at: datetime
    hash: str
    counterparty_id: UUID | None = None
    reference_id: UUID | None = None
    note: str | None = None

    def other_side(self, corrects: TransactionKind | None = None) -> LedgerEntry | None:
        """The entry that stands against this row; None for a transfer's, whose other side is a wallet's row.

        A reversal says what it *corrects*.
        """
        if self.kind is TransactionKind.REVERSAL and corrects is None:
            raise ValueError("a reversal says what it corrects")
        account = account_against(self.kind, corrects)
        return None if account is None else LedgerEntry(self.id, account, -self.amount, self.created_at)


@dataclass(frozen=True, slots=True)
class Wallet:
    """A user's balance, how many transactions made it, and the hash of the newest.

    ``sent`` and ``withdrawn`` are what it gave by transfers and withdrawals in the last 24 hours, where that was asked:
    plain sums, for money that comes and goes may pass what one wallet can hold.
    Nothing leaves a ``frozen`` wallet by its owner's hand; it takes money in, and is corrected.
    """

    user_id: UUID
    balance: Money = ZERO
    version: int = 0
    hash: bytes = GENESIS
    sent: Decimal = NOTHING
    withdrawn: Decimal = NOTHING
    frozen: bool = False

    def book(
        self,
        kind: TransactionKind,
        amount: Money,
        *,
        id: UUID,
        at: datetime,
        reference_id: UUID | None = None,
        counterparty_id: UUID | None = None,
        note: str | None = None,
    ) -> Transaction:
        """The transaction that moves the signed *amount*; the balance after it is in the transaction.

        Raises:
            InsufficientFunds: the balance would be below zero.
            BalanceLimit: the balance would pass 99999999.9999.
        """
        balance = self.balance + amount
        if balance < ZERO:
            raise InsufficientFunds
        version = self.version + 1
        digest = hash_row(
            self.hash,
            id=id,
            user_id=self.user_id,
            kind=kind,
            amount=amount,
            balance_after=balance,
            version=version,
            counterparty_id=counterparty_id,
            reference_id=reference_id,
            created_at=at,
        )
        return Transaction(
            id=id,
            user_id=self.user_id,
            kind=kind,
            amount=amount,
            balance_after=balance,
            version=version,
            created_at=at,
            hash=digest.hex(),
            counterparty_id=counterparty_id,
            reference_id=reference_id,
            note=note,
        )

    def after(self, row: Transaction) -> "Wallet":
        """The wallet once *row* is posted on it."""
        given = -row.amount.amount
        sent = self.sent + given if row.kind is TransactionKind.TRANSFER_OUT else self.sent
        withdrawn = self.withdrawn + given if row.kind is TransactionKind.WITHDRAWAL else self.withdrawn
        return Wallet(
            self.user_id,
            row.balance_after,
            row.version,
            bytes.fromhex(row.hash),
            sent,
            withdrawn,
            frozen=self.frozen,
        )


def transfer(
    sender: Wallet,
    recipient: Wallet,
    amount: Money,
    *,
    ids: tuple[UUID, UUID, UUID],
    at: datetime,
    note: str | None,
) -> tuple[Transaction, Transaction]:
    """The rows that move *amount*, what was sent and what was received: they sum to zero and share a reference.

    *ids* are the transfer's own and those of its two rows.

    Raises:
        WalletFrozen: the sender's.
        InsufficientFunds: the sender holds less.
        BalanceLimit: the recipient's balance would pass the limit.
    """
    if sender.frozen:
        raise WalletFrozen
    transfer_id, sent_id, received_id = ids
    return (
        sender.book(
            TransactionKind.TRANSFER_OUT,
            -amount,
            id=sent_id,
            at=at,
            reference_id=transfer_id,
            counterparty_id=recipient.user_id,
            note=note,
        ),
        recipient.book(
            TransactionKind.TRANSFER_IN,
            amount,
            id=received_id,
            at=at,
            reference_id=transfer_id,
            counterparty_id=sender.user_id,
            note=note,
        ),
    )
