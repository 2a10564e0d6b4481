"""The books: what stands against a wallet's row, and the hash that ties each row to all before it.

Both are pure. docs/wallet.md gives the hash byte by byte, and docs/ledger-vectors.json examples of it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Final
from uuid import UUID

from domain.money import Money

GENESIS: Final = bytes(32)
"""The hash before a wallet's first row."""


class Account(StrEnum):
    """An account that is no wallet. Its total is the sum of its entries; with all wallets they sum to zero."""

    REWARDS = "rewards"
    """What approved posts were paid; it goes below zero as it pays."""
    ADJUSTMENTS = "adjustments"
    """What admins gave, took and took back."""
    PAYOUTS_PENDING = "payouts_pending"
    """Withdrawals that are held: owed to a bank, not yet sent."""
    PAYOUTS_PAID = "payouts_paid"
    """Withdrawals that are completed: it has left."""
    OPENING = "opening"
    """The balances that an adopted database brought along."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What stands against a wallet's row, or one half of what moves between two accounts.

    ``reference_id`` is the row's id, or the withdrawal's that was paid out. ``created_at`` is UTC.
    """

    reference_id: UUID
    account: Account
    amount: Money
    created_at: datetime


def hash_row(
    previous: bytes,
    *,
    id: UUID,
    user_id: UUID,
    kind: str,
    amount: Money,
    balance_after: Money,
    version: int,
    counterparty_id: UUID | None,
    reference_id: UUID | None,
    created_at: datetime,
) -> bytes:
    """SHA-256 over the hash of the row before (:data:`GENESIS` at first) and this row's own fields but the note.

    Whoever holds it can tell whether anything before it was changed since.
    """
    time = f"{created_at.astimezone(UTC).isoformat(timespec='microseconds')[:26]}Z"
    fields = (
        id,
        user_id,
        kind,
        amount,
        balance_after,
        version,
        counterparty_id or "",
        reference_id or "",
        time,
    )
    return sha256(previous + "".join(f"{field}\n" for field in fields).encode()).digest()
