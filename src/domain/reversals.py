"""Taking an adjustment or a transfer back: by new rows that name the old ones. Pure."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.errors import BalanceLimit, InsufficientFunds, InvalidInput
from domain.money import LIMIT, ZERO, Money
from domain.wallet import CORRECTABLE, Transaction, TransactionKind, Wallet


@dataclass(frozen=True, slots=True)
class Reversal:
    """What takes an adjustment or a transfer back: a row that names it, two for a transfer, and what was missing."""

    rows: tuple[Transaction, ...]
    shortfall: Money


def check_correctable(row: Transaction) -> None:
    """Return if *row* is one that is taken back by name, whether it was already or not.

    Raises:
        InvalidInput: it is neither an adjustment nor a transfer.
    """
    if row.kind not in CORRECTABLE:
        raise InvalidInput("Adjustments and transfers are taken back here, one by one.")


def reverse(
    row: Transaction,
    wallet: Wallet,
    *,
    id: UUID,
    at: datetime,
    other: tuple[Transaction, Wallet, UUID] | None = None,
) -> Reversal:
    """Take *row* back, as far as its *wallet* can give or take; of a transfer with its *other* side (its new row's id).

    Raises:
        InvalidInput: it is neither an adjustment nor a transfer.
        InsufficientFunds: the wallet that would give holds nothing.
        BalanceLimit: the wallet that would take is full.
    """
    check_correctable(row)
    whole = max(row.amount, -row.amount)
    moved = min(whole, *(_room(-side.amount, held) for side, held in _sides(row, wallet, other)))
    if moved <= ZERO:
        gives = any(side.amount > ZERO and held.balance == ZERO for side, held in _sides(row, wallet, other))
        raise InsufficientFunds if gives else BalanceLimit
    news = (id,) if other is None else (id, other[2])
    rows = tuple(
        held.book(
            TransactionKind.REVERSAL,
            moved if side.amount < ZERO else -moved,
            id=new,
            at=at,
            reference_id=side.id,
        )
        for new, (side, held) in zip(news, _sides(row, wallet, other), strict=True)
    )
    return Reversal(rows, whole - moved)


def _sides(
    row: Transaction, wallet: Wallet, other: tuple[Transaction, Wallet, UUID] | None
) -> list[tuple[Transaction, Wallet]]:
    return [(row, wallet)] if other is None else [(row, wallet), (other[0], other[1])]


def _room(amount: Money, wallet: Wallet) -> Money:
    """How much of the signed *amount* the wallet can take or give."""
    return LIMIT - wallet.balance if amount > ZERO else wallet.balance
