"""A transaction in memory: one at a time, undone unless it commits."""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from uuid import UUID

from application.idempotency import KeyedRequest, Outcome
from application.unit_of_work import Entry, Lock, PostCase, RateCase, UserCase, WithdrawalCase
from domain.audit import REFUSALS_KEPT, AuditEntry
from domain.errors import PostNotFound, UserNotFound, WithdrawalNotFound
from domain.events import Event
from domain.identity import AccountStatus, Principal, Role
from domain.money import ZERO
from domain.posts import Post
from domain.profile import Ban
from domain.rewards import Earnings, RewardedAction, RewardRate
from domain.wallet import Transaction, TransactionKind, Wallet
from domain.withdrawals import Withdrawal
from infrastructure.memory.database import MemoryDatabase


class MemoryUnitOfWork:
    """See :class:`application.unit_of_work.UnitOfWork`, which says what each method promises."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self._transactions: list[Transaction] = []
        self._events: list[Event] = []
        self._posts: list[Post] = []
        self._withdrawals: list[Withdrawal] = []
        self._audit: list[AuditEntry] = []
        self._changes: list[Callable[[], object]] = []
        self._keys: dict[tuple[UUID, str], Outcome] = {}
        self._caller: UUID | None = None

    async def __aenter__(self) -> Self:
        await self._database.lock.acquire()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.lock.release()

    async def enter(
        self,
        session: Principal,
        *,
        key: KeyedRequest | None = None,
        wallets: Collection[UUID] = (),
        lock: Lock = Lock.NOTHING,  # noqa: ARG002 - one transaction at a time holds everything
    ) -> Entry:
        """See the port."""
        self._caller = session.user_id
        actor = self._database.actor(session)
        earlier = None if key is None else self._database.keys.get((session.user_id, key.key))
        found = {user_id: wallet for user_id in wallets if (wallet := self._usable(user_id))}
        return Entry(actor, datetime.now(UTC), {} if earlier else found, earlier)

    async def lock_staff(self) -> None:
        """One transaction at a time holds everything."""

    async def lock_post(self, post_id: UUID) -> PostCase:
        """See the port."""
        post = self._database.posts.get(post_id)
        if post is None:
            raise PostNotFound
        self._database.wallets.setdefault(post.author_id, Wallet(post.author_id))
        rate = self._database.rates.get(RewardedAction.POST_APPROVED)
        wallet, earnings = self._usable(post.author_id), self._earnings(post_id)
        return PostCase(post, wallet, earnings, None if rate is None else rate.amount, datetime.now(UTC))

    async def lock_user(self, user_id: UUID) -> UserCase:
        """See the port."""
        database = self._database
        user = database.user(user_id)
        if user is None or user.deleted:
            raise UserNotFound
        admins = {key for key, profile in database.profiles.items() if profile.role is Role.ADMIN}
        active = {key for key in admins if database.account_status(key) is AccountStatus.ACTIVE}
        return UserCase(user, len(active - {user_id}), datetime.now(UTC))

    async def lock_rate(self, action: RewardedAction) -> RateCase:
        """See the port."""
        now = datetime.now(UTC)
        return RateCase(self._database.rates.get(action, RewardRate(action, ZERO, now)), now)

    async def refusals_of(self, actor_id: UUID, *, since: datetime) -> int:
        """See the port."""
        refused = [
            entry
            for entry in self._database.audit
            if entry.actor_id == actor_id and entry.refusal and entry.occurred_at > since
        ]
        return min(len(refused), REFUSALS_KEPT)

    async def lock_withdrawal(self, withdrawal_id: UUID) -> WithdrawalCase:
        """See the port."""
        withdrawal = self._database.withdrawals.get(withdrawal_id)
        if withdrawal is None:
            raise WithdrawalNotFound
        return WithdrawalCase(withdrawal, self._database.wallets[withdrawal.user_id], datetime.now(UTC))

    def book(self, transaction: Transaction) -> None:
        """See the port."""
        self._transactions.append(transaction)

    def announce(self, event: Event) -> None:
        """See the port."""
        self._events.append(event)

    def save_post(self, post: Post) -> None:
        """See the port."""
        self._posts.append(post)

    def save_role(self, user_id: UUID, role: Role) -> None:
        """See the port."""
        profiles = self._database.profiles
        self._changes.append(lambda: profiles.update({user_id: replace(profiles[user_id], role=role)}))

    def save_ban(self, ban: Ban) -> None:
        """See the port."""
        self._changes.append(lambda: self._database.bans.update({ban.user_id: ban}))

    def lift_ban(self, user_id: UUID) -> None:
        """See the port."""
        self._changes.append(lambda: self._database.bans.pop(user_id))

    def save_rate(self, rate: RewardRate) -> None:
        """See the port."""
        self._changes.append(lambda: self._database.rates.update({rate.action: rate}))

    def save_withdrawal(self, withdrawal: Withdrawal) -> None:
        """See the port."""
        self._withdrawals.append(withdrawal)

    def record(self, entry: AuditEntry) -> None:
        """See the port."""
        self._audit.append(entry)

    def remember(self, key: KeyedRequest, outcome: Outcome) -> None:
        """See the port."""
        if self._caller is None:
            raise RuntimeError("a key belongs to a caller: enter first")
        self._keys[self._caller, key.key] = outcome

    async def commit(self) -> None:
        """See the port."""
        database = self._database
        for change in self._changes:
            change()
        for row in self._transactions:
            database.ledger.append(row)
            database.wallets[row.user_id] = Wallet(row.user_id, row.balance_after, row.version)
        database.posts.update({post.id: post for post in self._posts})
        database.withdrawals.update({row.id: row for row in self._withdrawals})
        database.audit.extend(self._audit)
        database.outbox.extend(self._events)
        database.keys.update(self._keys)

    def _usable(self, user_id: UUID) -> Wallet | None:
        """The wallet of a user who has a profile, or wrote a post, and is not deleted."""
        if self._database.account_statuses.get(user_id) is AccountStatus.DELETED:
            return None
        if user_id in self._database.profiles:
            self._database.wallets.setdefault(user_id, Wallet(user_id))
        return self._database.wallets.get(user_id)

    def _earnings(self, post_id: UUID) -> Earnings:
        ledger = self._database.ledger
        earning = next(
            (row for row in ledger if row.kind is TransactionKind.EARNING and row.reference_id == post_id),
            None,
        )
        taken_back = earning is not None and any(
            row.kind is TransactionKind.REVERSAL and row.reference_id == earning.id for row in ledger
        )
        return Earnings(earning, taken_back)
