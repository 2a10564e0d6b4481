"""What the vault's money routes take."""

from enum import StrEnum
from uuid import UUID

import msgspec

from application.vault.book_transaction import BookCommand
from application.vault.settle_withdrawal import SettleCommand
from domain.money import Money
from domain.wallet import TransactionKind
from domain.withdrawals import WithdrawalStatus
from web.fields import AmountField, NoteField
from web.vault.schemas import ReasonField


class BookableKind(StrEnum):
    """The kinds that are booked by hand."""

    BONUS = "bonus"
    PENALTY = "penalty"
    REFUND = "refund"


class Outcome(StrEnum):
    """How a withdrawal ends."""

    COMPLETED = "completed"
    FAILED = "failed"


class BookIn(msgspec.Struct, forbid_unknown_fields=True):
    """A correction of a balance; the note is for its owner."""

    kind: BookableKind
    amount: AmountField
    note: NoteField

    def to_command(self, user_id: str) -> BookCommand:
        """The command that this body means for the user *user_id*.

        Raises:
            InvalidAmount: the amount is no plain decimal.
        """
        return BookCommand(
            UUID(user_id), TransactionKind(self.kind.value), Money.parse(self.amount), self.note
        )


class SettlementIn(msgspec.Struct, forbid_unknown_fields=True):
    """The end of a withdrawal."""

    outcome: Outcome
    reason: ReasonField | None = None

    def to_command(self, withdrawal_id: str) -> SettleCommand:
        """The command that this body means for the withdrawal *withdrawal_id*."""
        return SettleCommand(UUID(withdrawal_id), WithdrawalStatus(self.outcome.value), self.reason)
