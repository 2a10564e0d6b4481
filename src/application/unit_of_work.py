"""One transaction, as use-cases see it: enter it, decide, write, commit. Leaving without commit undoes all."""

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from typing import Protocol
from uuid import UUID

import stamina

from application.idempotency import KeyedRequest, Outcome
from domain.audit import AuditEntry
from domain.errors import SerializationConflict
from domain.events import Event
from domain.identity import Actor, Principal, Role
from domain.money import Money
from domain.posts import Post
from domain.profile import Ban, User
from domain.rewards import Earnings, RewardedAction, RewardRate
from domain.wallet import Transaction, Wallet
from domain.withdrawals import Withdrawal


class Lock(Enum):
    """What nobody else may change from the first statement of a transaction until its end."""

    NOTHING = auto()
    CALLER = auto()
    """The caller's role and ban: what the caller may do is still so when the transaction commits."""
    STAFF = auto()
    """Anybody's role and ban: one such transaction at a time, so that counting the admins means something."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the first statement of a transaction finds.

    ``wallets`` are locked until the end, and hold those of the users asked for who exist and are not deleted.
    ``earlier`` is what the request's key already stands for; then nothing is locked.
    ``now`` is the database's time (UTC), taken after the locks.
    """

    actor: Actor
    now: datetime
    wallets: Mapping[UUID, Wallet]
    earlier: Outcome | None = None


@dataclass(frozen=True, slots=True)
class PostCase:
    """A post, locked, with all that a decision on it must know; the author's wallet is locked too.

    A deleted author has no wallet here: it is frozen. ``now`` is the database's time (UTC), taken after the locks.
    """

    post: Post
    author_wallet: Wallet | None
    earnings: Earnings
    rate: Money | None
    now: datetime


@dataclass(frozen=True, slots=True)
class UserCase:
    """A user whose role or ban is to change, locked.

    ``other_admins`` counts the admins besides them who are neither banned nor deleted. ``now`` is the database's
    time (UTC), taken after the lock.
    """

    user: User
    other_admins: int
    now: datetime


@dataclass(frozen=True, slots=True)
class RateCase:
    """What an action pays (zero where nothing was said yet), locked. ``now`` is the database's time (UTC)."""

    rate: RewardRate
    now: datetime


@dataclass(frozen=True, slots=True)
class WithdrawalCase:
    """A withdrawal and its owner's wallet, both locked; a deleted owner's wallet too.

    ``now`` is the database's time (UTC), taken after the locks.
    """

    withdrawal: Withdrawal
    wallet: Wallet
    now: datetime


class UnitOfWork(Protocol):
    """A transaction under way. What is booked, announced or recorded exists if, and only if, it commits."""

    async def enter(
        self,
        session: Principal,
        *,
        key: KeyedRequest | None = None,
        wallets: Collection[UUID] = (),
        lock: Lock = Lock.NOTHING,
    ) -> Entry:
        """Read who is asking, claim *key*, and lock *wallets* in id order: one statement in the usual case.

        The caller gets a profile and a wallet here if they have none. A key is claimed only for a session that
        is active. *lock* is taken first, so that what is read is still so at the commit.

        Raises:
            IdempotencyKeyInProgress: another request with this key did not finish within two seconds.
            Unavailable: the database does not answer, or a lock was not to be had in time.
        """
        ...

    async def lock_staff(self) -> None:
        """Take ``Lock.STAFF`` where there is no session to enter with: an operator's transaction begins so."""
        ...

    async def lock_post(self, post_id: UUID) -> PostCase:
        """Lock a post, then its author's wallet.

        Raises:
            PostNotFound: there is no such post.
        """
        ...

    async def lock_withdrawal(self, withdrawal_id: UUID) -> WithdrawalCase:
        """Lock a withdrawal, then its owner's wallet: one statement.

        Raises:
            WithdrawalNotFound: there is no such withdrawal.
        """
        ...

    def book(self, transaction: Transaction) -> None:
        """Append *transaction* to the ledger and move its wallet's balance; the wallet must be locked."""
        ...

    def announce(self, event: Event) -> None:
        """Owe *event* to its recipient's app."""
        ...

    def save_post(self, post: Post) -> None:
        """Write a post's validation; the post must be locked."""
        ...

    async def lock_user(self, user_id: UUID) -> UserCase:
        """Lock a user's role and ban; the transaction must hold ``Lock.STAFF``.

        Raises:
            UserNotFound: there is no such profile, or its user is deleted.
        """
        ...

    def save_role(self, user_id: UUID, role: Role) -> None:
        """Write a user's role; the user must be locked."""
        ...

    def save_ban(self, ban: Ban) -> None:
        """Write a user's ban in place of any other; the user must be locked."""
        ...

    def lift_ban(self, user_id: UUID) -> None:
        """Remove a user's ban; the user must be locked."""
        ...

    async def lock_rate(self, action: RewardedAction) -> RateCase:
        """Lock what *action* pays."""
        ...

    def save_rate(self, rate: RewardRate) -> None:
        """Write what an action pays; the rate must be locked."""
        ...

    async def refusals_of(self, actor_id: UUID, *, since: datetime) -> int:
        """How many refusals of a user were recorded since; no other transaction adds one before this one ends.

        It stops counting at :data:`domain.audit.REFUSALS_KEPT`.
        """
        ...

    def save_withdrawal(self, withdrawal: Withdrawal) -> None:
        """Add a withdrawal that is held, or write the outcome of a locked one."""
        ...

    def record(self, entry: AuditEntry) -> None:
        """Add *entry* to the audit log: if that can't be written, nothing else of the transaction is."""
        ...

    def remember(self, key: KeyedRequest, outcome: Outcome) -> None:
        """Keep *outcome* as the answer to every later request with *key*."""
        ...

    async def commit(self) -> None:
        """Make all of it true: one statement (one more for a post), then COMMIT. The last line of a use-case.

        Raises:
            Unavailable: it is unknown whether the transaction committed; the same key finds out.
        """
        ...


UnitOfWorkFactory = Callable[[], AbstractAsyncContextManager[UnitOfWork]]

retry_conflicts = stamina.retry(
    on=SerializationConflict, attempts=4, timeout=5, wait_initial=0.01, wait_max=0.2, wait_jitter=0.05
)
"""Runs a use-case again, a few times, when the database broke a deadlock or a serialization cycle."""
