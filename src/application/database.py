"""The port to the shared database: what a transaction locks and finds, and what it writes at its end."""

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, NamedTuple, Protocol, TypeVar
from uuid import UUID

from application.idempotency import IdempotencyKey, IdempotencyRecord, StoredResponse
from domain.approvals import Approval
from domain.audit import AuditEntry
from domain.errors import DomainError
from domain.events import Event
from domain.identity import Actor, Ban, Principal, Role, User
from domain.ledger import LedgerEntry
from domain.money import Money
from domain.posts import Post
from domain.rewards import Earning, RewardedAction, RewardRate
from domain.wallet import Transaction, Wallet
from domain.withdrawals import Withdrawal

L = TypeVar("L")
L_co = TypeVar("L_co", covariant=True)
O_co = TypeVar("O_co", covariant=True)


@dataclass(frozen=True, slots=True)
class LockedPost:
    """A post with all that a decision on it must know; the author's wallet is locked too.

    A deleted author has no wallet here: it is frozen. ``rate`` is what an approval pays, None where nothing was said,
    and for what an app of before had settled.
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


@dataclass(frozen=True, slots=True)
class Opening(Generic[L_co]):
    """What a transaction begins with; ``roles`` are those for whom anything of others is locked, or a key claimed.

    ``counts_spending``: the caller's wallet says what it gave in the last 24 hours.
    """

    roles: Collection[Role]
    lock: Lock[L_co] | None = None
    key: IdempotencyKey[Any] | None = None
    wallets: Collection[UUID] = ()
    counts_spending: bool = False


@dataclass(frozen=True, slots=True)
class Opened(Generic[L]):
    """What the first statements of a transaction found.

    ``wallets`` are locked until the end, and hold those of the users asked for who exist and are not deleted.
    ``earlier`` is what the request's key already stands for; then nothing is locked. ``locked`` answers the
    opening's lock: it is there if the caller's role is one of those that were named. ``now`` is the database's
    time (UTC), taken after the locks; ``epoch`` counts restores to an earlier time.
    """

    actor: Actor
    now: datetime
    wallets: Mapping[UUID, Wallet] = field(default_factory=dict)
    locked: L | DomainError | None = None
    earlier: IdempotencyRecord | None = None
    epoch: int = 1


class OpenedByOperator(NamedTuple):
    """The same of an operator's transaction: no session stands behind it."""

    now: datetime
    locked: LockedUser | DomainError


class KeyedResponse(NamedTuple):
    """The answer that a user's key stands for."""

    user_id: UUID
    key: str
    response: StoredResponse


@dataclass
class WriteBatch:
    """All that a transaction will write when it commits."""

    transactions: list[Transaction] = field(default_factory=list)
    entries: list[LedgerEntry] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    posts: list[Post] = field(default_factory=list)
    withdrawals: list[Withdrawal] = field(default_factory=list)
    withdrawals_settled: list[Withdrawal] = field(default_factory=list)
    roles: list[tuple[UUID, Role]] = field(default_factory=list)
    bans: list[Ban] = field(default_factory=list)
    approvals: list[Approval] = field(default_factory=list)
    approvals_decided: list[Approval] = field(default_factory=list)
    lifted_bans: list[UUID] = field(default_factory=list)
    rates: list[RewardRate] = field(default_factory=list)
    audit: list[AuditEntry] = field(default_factory=list)
    responses: list[KeyedResponse] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any(vars(self).values())


class OpenTransaction(Protocol[O_co]):
    """A transaction under way; leaving its block without :meth:`commit` undoes it."""

    @property
    def opened(self) -> O_co:
        """What it found."""
        ...

    async def commit(self, writes: WriteBatch) -> None:
        """Make *writes* true, all of them: one statement, then COMMIT.

        Raises:
            Unavailable: it is unknown whether it committed; the same request finds out.
        """
        ...


class Database(Protocol):
    """Where transactions take place: the port that adapters implement."""

    def begin(
        self, principal: Principal, opening: Opening[L]
    ) -> AbstractAsyncContextManager[OpenTransaction[Opened[L]]]:
        """Read who is asking, claim the key, and lock what *opening* names, wallets in id order.

        A caller who lives gets a profile and a wallet here if they have none. A key is claimed only for a session
        that is active, with one of the roles.

        Raises:
            IdempotencyKeyInProgress: another request with this key did not finish within two seconds.
            RateLimited: the caller has too many keys that are younger than a day.
            Unavailable: the database does not answer, or a lock was not to be had in time.
        """
        ...

    def begin_as_operator(
        self, lock: UserLock
    ) -> AbstractAsyncContextManager[OpenTransaction[OpenedByOperator]]:
        """The same for somebody with access to the database: no session stands behind it."""
        ...
