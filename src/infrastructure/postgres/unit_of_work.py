"""A transaction on the shared database. Nothing commits but :meth:`PostgresUnitOfWork.commit`."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from types import TracebackType
from typing import Self
from uuid import UUID

import asyncpg

from application.idempotency import KeyedRequest, Outcome
from application.unit_of_work import Entry, Lock, PostCase, RateCase, UserCase, WithdrawalCase
from domain.audit import AuditEntry
from domain.errors import PostNotFound, SerializationConflict, WithdrawalNotFound
from domain.events import Event
from domain.identity import AccountStatus, Principal, Role
from domain.money import Money
from domain.posts import Post
from domain.profile import Ban
from domain.rewards import Earnings, RewardedAction, RewardRate
from domain.wallet import Transaction, Wallet
from domain.withdrawals import Withdrawal
from infrastructure.postgres import rights
from infrastructure.postgres import statements as sql
from infrastructure.postgres.accounts import open_account
from infrastructure.postgres.leases import leased
from infrastructure.postgres.rows import actor_of, post_of, transaction_of, usable_wallets, withdrawal_of
from infrastructure.postgres.writes import Writes

AfterCommit = Callable[[Sequence[Event]], None]
"""Told of the events of a transaction that committed; what it raises is its own affair."""


class PostgresUnitOfWork:
    """See :class:`application.unit_of_work.UnitOfWork`, which says what each method promises."""

    def __init__(self, pool: asyncpg.Pool, after_commit: AfterCommit) -> None:
        self._pool = pool
        self._after_commit = after_commit
        self._lease = AsyncExitStack()
        self._writes = Writes()
        self._posts: list[Post] = []
        self._changes: list[tuple[str, tuple[object, ...]]] = []  # statements with their arguments
        self._caller: UUID | None = None
        self._committed = False

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._connection = await stack.enter_async_context(leased(self._pool))
            await self._begin()
            self._lease = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with self._lease:
            if not self._committed and not isinstance(error, asyncio.CancelledError | TimeoutError):
                await self._roll_back()
            if error is not None:
                raise error  # through the lease, which translates it, and closes a connection that was cut off

    async def enter(
        self,
        session: Principal,
        *,
        key: KeyedRequest | None = None,
        wallets: Collection[UUID] = (),
        lock: Lock = Lock.NOTHING,
    ) -> Entry:
        """One statement; more for a lock, for somebody's first request or payment, and for a key that is taken."""
        self._caller = session.user_id
        name, fingerprint = (None, None) if key is None else (key.key, key.fingerprint)
        arguments = (session.user_id, session.session_id, name, fingerprint, list(wallets))
        await self._lock(lock, session.user_id)
        rows = await self._connection.fetch(sql.ENTER, *arguments)
        if rows[0]["role"] is None and rows[0]["account_status"] in {"active", "banned"}:
            # Committed by itself: the account stays, whatever becomes of this request.
            await self._roll_back()
            await open_account(self._connection, session)
            await self._begin()
            await self._lock(lock, session.user_id)
            rows = await self._connection.fetch(sql.ENTER, *arguments)
        head = rows[0]
        actor = actor_of(session, head["role"], head["account_status"], banned=head["banned"])
        found = [row for row in rows if row["user_id"] is not None]
        if head["claimed"] and len(found) < len(wallets):
            await self._connection.execute(sql.OPEN_WALLETS, list(wallets))
            found = await self._connection.fetch(sql.LOCK_WALLETS, list(wallets))
        earlier = None
        if key is not None and not head["claimed"] and actor.account_status is AccountStatus.ACTIVE:
            earlier = await self._earlier(session.user_id, key)
        now = max((row["now"] for row in found), default=head["now"])
        return Entry(actor, now, usable_wallets(found), earlier)

    async def lock_staff(self) -> None:
        """One statement."""
        await self._connection.execute(rights.LOCK_STAFF, rights.STAFF_LOCK)

    async def lock_post(self, post_id: UUID) -> PostCase:
        """Three statements; a fourth for an author who never came to the backend."""
        row = await self._connection.fetchrow(sql.LOCK_POST, post_id)
        if row is None:
            raise PostNotFound
        post = post_of(row)
        locked = await self._connection.fetch(sql.LOCK_WALLETS, [post.author_id])
        if not locked:
            await self._connection.execute(sql.OPEN_AUTHOR, post.author_id)
            locked = await self._connection.fetch(sql.LOCK_WALLETS, [post.author_id])
        [money] = await self._connection.fetch(sql.EARNINGS, post_id)
        earnings = Earnings()
        if money["id"] is not None:
            earnings = Earnings(transaction_of(money), reversed=money["reversed"])
        rate = None if money["rate"] is None else Money(money["rate"])
        return PostCase(post, usable_wallets(locked).get(post.author_id), earnings, rate, money["now"])

    async def lock_user(self, user_id: UUID) -> UserCase:
        """Two statements; a third for a user without a wallet."""
        return await rights.lock_user(self._connection, user_id)

    async def lock_rate(self, action: RewardedAction) -> RateCase:
        """Two statements."""
        return await rights.lock_rate(self._connection, action)

    async def refusals_of(self, actor_id: UUID, *, since: datetime) -> int:
        """One statement where the answer is known, else three."""
        return await rights.refusals_of(self._connection, actor_id, since)

    async def lock_withdrawal(self, withdrawal_id: UUID) -> WithdrawalCase:
        """One statement."""
        row = await self._connection.fetchrow(sql.LOCK_WITHDRAWAL, withdrawal_id)
        if row is None:
            raise WithdrawalNotFound
        withdrawal = withdrawal_of(row)
        wallet = Wallet(withdrawal.user_id, Money(row["balance"]), row["version"])
        return WithdrawalCase(withdrawal, wallet, row["now"])

    def book(self, transaction: Transaction) -> None:
        """Buffered until the commit."""
        self._writes.transactions.append(transaction)

    def announce(self, event: Event) -> None:
        """Buffered until the commit."""
        self._writes.events.append(event)

    def save_post(self, post: Post) -> None:
        """Buffered until the commit; the database raises the version itself."""
        self._posts.append(post)

    def save_withdrawal(self, withdrawal: Withdrawal) -> None:
        """Buffered until the commit; one for each unit of work."""
        self._writes.withdrawal = withdrawal

    def save_role(self, user_id: UUID, role: Role) -> None:
        """Buffered until the commit."""
        self._changes.append((rights.SAVE_ROLE, (user_id, role)))

    def save_ban(self, ban: Ban) -> None:
        """Buffered until the commit."""
        self._changes.append((rights.SAVE_BAN, (ban.user_id, ban.reason, ban.banned_by, ban.banned_at)))

    def lift_ban(self, user_id: UUID) -> None:
        """Buffered until the commit."""
        self._changes.append((rights.LIFT_BAN, (user_id,)))

    def save_rate(self, rate: RewardRate) -> None:
        """Buffered until the commit."""
        self._changes.append((rights.SAVE_RATE, (rate.action, rate.amount.amount, rate.updated_at)))

    def record(self, entry: AuditEntry) -> None:
        """Buffered until the commit."""
        self._writes.audit.append(entry)

    def remember(self, key: KeyedRequest, outcome: Outcome) -> None:
        """Buffered until the commit."""
        if self._caller is None:
            raise RuntimeError("a key belongs to a caller: enter first")
        self._writes.remembered = (self._caller, key.key, outcome)

    async def commit(self) -> None:
        """One statement for money, events, withdrawal, record and key; one more for a post, and for a right."""
        for statement, arguments in self._changes:
            await self._connection.execute(statement, *arguments)
        for post in self._posts:
            await self._save(post)
        if writes := self._writes.statement():
            text, values, expected = writes
            if await self._connection.fetchval(text, *values) != expected:
                raise RuntimeError("what was locked has changed")  # a mistake of ours: nothing is written
        # Where this fails, it may have committed or not (Unavailable): the key finds the truth.
        await self._connection.execute("commit")
        self._committed = True
        self._after_commit(self._writes.events)

    async def _lock(self, lock: Lock, user_id: UUID) -> None:
        """Always the staff first, then the caller: two who change each other can't wait for each other."""
        if lock is Lock.STAFF:
            await self.lock_staff()
        if lock is not Lock.NOTHING:
            await self._connection.execute(rights.LOCK_CALLER, user_id)

    async def _begin(self) -> None:
        await self._connection.execute("begin")

    async def _roll_back(self) -> None:
        """Undo everything; a connection that can't even do that is thrown away, never handed out again."""
        try:
            if not self._connection.is_closed():
                await self._connection.execute("rollback")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self._connection.terminate()

    async def _earlier(self, user_id: UUID, key: KeyedRequest) -> Outcome:
        row = await self._connection.fetchrow(sql.EARLIER, user_id, key.key)
        if row is None:
            raise SerializationConflict  # forgotten at this very moment: claim it again
        return Outcome(row["fingerprint"], result=row["result"], refusal=row["refusal"])

    async def _save(self, post: Post) -> None:
        version = await self._connection.fetchval(
            sql.SAVE_POST, post.id, post.status, post.validated_by, post.validated_at, post.validation_reason
        )
        if version != post.version:
            raise RuntimeError("a post changed while it was locked")
