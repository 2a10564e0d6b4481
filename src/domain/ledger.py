"""The books: what stands against a wallet's row, and the hash that ties each row to all before it.

Both are pure. docs/wallet.md gives the hash byte by byte, and docs/ledger-vectors.json examples of it.
"""

from collections.abc import Iterator
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
    time = instant_text(created_at)
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


def instant_text(at: datetime) -> str:
    """A time as it is hashed: UTC, with six decimals."""
    return f"{at.astimezone(UTC).isoformat(timespec='microseconds')[:26]}Z"


@dataclass(frozen=True, slots=True)
class Head:
    """The newest row of a wallet under a seal."""

    user_id: UUID
    version: int
    hash: bytes


HEAD_SIZE: Final = 16 + 8 + 32


def heads_of(packed: bytes) -> Iterator[Head]:
    """The heads that a seal holds, one after the other: 16 bytes of id, 8 of version (big-endian) and 32 of hash."""
    for at in range(0, len(packed), HEAD_SIZE):
        user_id, version = UUID(bytes=packed[at : at + 16]), int.from_bytes(packed[at + 16 : at + 24], "big")
        yield Head(user_id, version, packed[at + 24 : at + HEAD_SIZE])


def seal_digest(previous: bytes, sealed_until: datetime, heads: bytes) -> bytes:
    """The fingerprint of a seal: over that of the seal before (:data:`GENESIS` at first), its time, and its heads.

    The heads are those of the wallets that moved after the seal before and not after *sealed_until*, in the order of
    the ids.
    """
    return sha256(previous + f"{instant_text(sealed_until)}\n".encode() + heads).digest()
