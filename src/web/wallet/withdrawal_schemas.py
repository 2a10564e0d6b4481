"""What the routes of withdrawals take and answer."""

from datetime import datetime
from typing import Self
from uuid import UUID

import msgspec

from application.wallet.withdraw_funds import WithdrawCommand
from domain.money import PAYOUT_PLACES, Money
from domain.withdrawals import Hold, Withdrawal, WithdrawalStatus
from web.fields import MoneyText, NoteField, PayoutField
from web.wallet.schemas import TransactionOut


class WithdrawalOut(msgspec.Struct):
    """A request to pay out ``amount``; ``transaction_id`` is the transaction that took it out of the wallet."""

    id: UUID
    user_id: UUID
    amount: MoneyText
    status: WithdrawalStatus
    transaction_id: UUID
    settled_by: UUID | None
    settled_at: datetime | None
    reason: str | None
    created_at: datetime

    @classmethod
    def of(cls, row: Withdrawal) -> Self:
        """The answer for *row*."""
        return cls(
            id=row.id,
            user_id=row.user_id,
            amount=str(row.amount),
            status=row.status,
            transaction_id=row.transaction_id,
            settled_by=row.settled_by,
            settled_at=row.settled_at,
            reason=row.reason,
            created_at=row.created_at,
        )


class WithdrawalPageOut(msgspec.Struct):
    """Some withdrawals; ``next_cursor`` is null on the last page."""

    items: list[WithdrawalOut]
    next_cursor: str | None


class WithdrawIn(msgspec.Struct, forbid_unknown_fields=True):
    """Money to be paid out."""

    amount: PayoutField
    note: NoteField | None = None

    def to_command(self) -> WithdrawCommand:
        """The command that this body means.

        Raises:
            InvalidAmount: the amount is no plain decimal.
        """
        return WithdrawCommand(Money.parse(self.amount, places=PAYOUT_PLACES), self.note)


class HoldOut(msgspec.Struct):
    """The withdrawal, what was booked for it, and the wallet's balance and version after it."""

    withdrawal: WithdrawalOut
    transaction: TransactionOut
    balance: MoneyText
    version: int

    @classmethod
    def of(cls, hold: Hold) -> Self:
        """The answer for *hold*."""
        row = hold.transaction
        return cls(
            WithdrawalOut.of(hold.withdrawal), TransactionOut.of(row), str(row.balance_after), row.version
        )
