"""What a validation decision does to the author's wallet: it never stops a decision, it reports a shortfall."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.money import LIMIT, ZERO, Money
from domain.posts import Post, PostStatus
from domain.wallet import Transaction, TransactionKind, Wallet


class RewardedAction(StrEnum):
    """What an author is paid for."""

    POST_APPROVED = "post_approved"


@dataclass(frozen=True, slots=True)
class RewardRate:
    """What an action pays from now on; zero pays nothing. ``updated_at`` is UTC."""

    action: RewardedAction
    amount: Money
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Reward:
    """The transaction that a decision causes, if any, and what could not be moved."""

    transaction: Transaction | None = None
    shortfall: Money = ZERO


@dataclass(frozen=True, slots=True)
class Earning:
    """What a post earned once, by which transaction, and whether that was taken back."""

    transaction_id: UUID
    amount: Money
    reversed: bool


def settle_reward(
    before: Post,
    after: Post,
    wallet: Wallet | None,
    earning: Earning | None,
    rate: Money | None,
    *,
    id: UUID,
    at: datetime,
) -> Reward:
    """Pay the first approval of a post's life; take the payment back when its approval is taken back.

    A missing or zero rate pays nothing. A payment is limited to what the balance can take, a reversal to what
    the wallet holds; a frozen wallet (None) takes and gives nothing.
    """
    if after.validation_status is PostStatus.APPROVED and earning is None:
        return _pay(wallet, rate or ZERO, after.id, id=id, at=at)
    if before.validation_status is PostStatus.APPROVED and earning is not None and not earning.reversed:
        return _take_back(wallet, earning, id=id, at=at)
    return Reward()


def _pay(wallet: Wallet | None, rate: Money, post_id: UUID, *, id: UUID, at: datetime) -> Reward:
    payable = ZERO if wallet is None else min(rate, LIMIT - wallet.balance)
    if wallet is None or payable <= ZERO:
        return Reward(shortfall=rate)
    booked = wallet.book(TransactionKind.EARNING, payable, id=id, at=at, reference_id=post_id)
    return Reward(booked, shortfall=rate - payable)


def _take_back(wallet: Wallet | None, earning: Earning, *, id: UUID, at: datetime) -> Reward:
    held = ZERO if wallet is None else min(earning.amount, wallet.balance)
    if wallet is None or held <= ZERO:
        return Reward(shortfall=earning.amount)
    booked = wallet.book(TransactionKind.REVERSAL, -held, id=id, at=at, reference_id=earning.transaction_id)
    return Reward(booked, shortfall=earning.amount - held)
