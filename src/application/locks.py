"""What a transaction locks, and what its decision finds locked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from domain.approvals import Approval
from domain.identity import User
from domain.money import Money
from domain.posts import Post
from domain.rewards import Earning, RewardedAction, RewardRate
from domain.wallet import Transaction, Wallet
from domain.withdrawals import Withdrawal

L_co = TypeVar("L_co", covariant=True)


@dataclass(frozen=True, slots=True)
class LockedPost:
    """A post with all that a decision on it must know; the author's wallet is locked too.

    A deleted author has no wallet here: it is frozen. ``rate`` is what an approval pays, None where nothing was said.
    """

    post: Post
    author_wallet: Wallet | None
    earning: Earning | None
    rate: Money | None


@dataclass(frozen=True, slots=True)
class LockedUser:
    """A user whose role or ban is to change. ``other_admins``: those besides them, neither banned nor deleted."""

    user: User
    other_admins: int


@dataclass(frozen=True, slots=True)
class LockedWithdrawal:
    """A withdrawal and its owner's wallet, a deleted owner's too; ``waiting`` is the approval that it waits for."""

    withdrawal: Withdrawal
    wallet: Wallet
    waiting: Approval | None = None


@dataclass(frozen=True, slots=True)
class LockedApproval:
    """An approval with what it is about: a wallet (None: frozen) to adjust, or a withdrawal to settle."""

    approval: Approval
    wallet: Wallet | None
    withdrawal: Withdrawal | None


@dataclass(frozen=True, slots=True)
class LockedTransaction:
    """A ledger row with its wallet, of a transfer the other side too, and the rows that took it back already.

    A deleted user's wallet is not among ``wallets``: it is frozen.
    """

    row: Transaction
    other: Transaction | None
    reversals: tuple[Transaction, ...]
    wallets: Mapping[UUID, Wallet]


@dataclass(frozen=True, slots=True)
class Lock(Generic[L_co]):
    """What is locked from the first statement on, beside the caller's own role and ban; see its subclasses.

    An adapter answers each with what it names, or raises the ``…NotFound`` of its kind.
    """


@dataclass(frozen=True, slots=True)
class PostLock(Lock[LockedPost]):
    """A post, then its author's wallet."""

    post_id: UUID


@dataclass(frozen=True, slots=True)
class UserLock(Lock[LockedUser]):
    """A user's role and ban; all such transactions go one at a time, so that counting admins means something."""

    user_id: UUID


@dataclass(frozen=True, slots=True)
class RateLock(Lock[RewardRate]):
    """What an action pays: zero where nothing was said yet."""

    action: RewardedAction


@dataclass(frozen=True, slots=True)
class WithdrawalLock(Lock[LockedWithdrawal]):
    """A withdrawal, then its owner's wallet."""

    withdrawal_id: UUID


@dataclass(frozen=True, slots=True)
class TransactionLock(Lock[LockedTransaction]):
    """A ledger row's wallet; of a transfer both, in the order of their ids."""

    transaction_id: UUID


@dataclass(frozen=True, slots=True)
class ApprovalLock(Lock[LockedApproval]):
    """What waits for a second admin, then the withdrawal or the wallet that it is about."""

    approval_id: UUID


@dataclass(frozen=True, slots=True)
class RefusalsLock(Lock[int]):
    """How many refusals of the caller were recorded lately: no other transaction adds one before this one ends.

    Counting stops at :data:`domain.audit.REFUSALS_KEPT`.
    """


@dataclass(frozen=True, slots=True)
class CallerLock(Lock[None]):
    """The caller's role and ban alone: what the caller may do is still so when the transaction commits."""
