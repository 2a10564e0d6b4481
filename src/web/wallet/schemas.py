"""What ``/wallet`` takes and answers."""

from datetime import datetime
from typing import Self
from uuid import UUID

import msgspec

from application.wallet.transfer_funds import Booked, TransferCommand
from domain.money import Money
from domain.wallet import Transaction, TransactionKind, Wallet
from web.fields import AmountField, MoneyText, NoteField, UuidField


class WalletOut(msgspec.Struct):
    """A balance, and how many transactions made it."""

    user_id: UUID
    balance: MoneyText
    currency: str
    version: int

    @classmethod
    def of(cls, wallet: Wallet, currency: str) -> Self:
        """The answer for *wallet*."""
        return cls(wallet.user_id, str(wallet.balance), currency, wallet.version)


class TransactionOut(msgspec.Struct):
    """One immutable ledger row."""

    id: UUID
    user_id: UUID
    kind: TransactionKind
    amount: MoneyText
    balance_after: MoneyText
    version: int
    counterparty_id: UUID | None
    reference_id: UUID | None
    note: str | None
    created_at: datetime

    @classmethod
    def of(cls, row: Transaction) -> Self:
        """The answer for *row*."""
        return cls(
            id=row.id,
            user_id=row.user_id,
            kind=row.kind,
            amount=str(row.amount),
            balance_after=str(row.balance_after),
            version=row.version,
            counterparty_id=row.counterparty_id,
            reference_id=row.reference_id,
            note=row.note,
            created_at=row.created_at,
        )


class TransactionPage(msgspec.Struct):
    """Some ledger rows, newest first; ``next_cursor`` is null on the last page."""

    items: list[TransactionOut]
    next_cursor: str | None


class TransferIn(msgspec.Struct, forbid_unknown_fields=True):
    """A payment to another user."""

    recipient_id: UuidField
    amount: AmountField
    note: NoteField | None = None

    def to_command(self) -> TransferCommand:
        """The command that this body means.

        Raises:
            InvalidAmount: the amount is no plain decimal.
        """
        return TransferCommand(UUID(self.recipient_id), Money.parse(self.amount), self.note)


class BookedOut(msgspec.Struct):
    """What was booked on the caller's wallet, with its balance and version after it."""

    transaction: TransactionOut
    balance: MoneyText
    version: int

    @classmethod
    def of(cls, booked: Booked) -> Self:
        """The answer for *booked*."""
        row = booked.transaction
        return cls(TransactionOut.of(row), str(row.balance_after), row.version)
