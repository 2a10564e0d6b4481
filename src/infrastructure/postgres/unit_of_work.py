"""A transaction on the shared database. Nothing commits but :meth:`PostgresUnitOfWork.commit`."""

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Self
from uuid import UUID

import asyncpg

from application.encoding import to_json
from application.idempotency import KeyedRequest, Outcome
from application.unit_of_work import Entry, Hold, PostCase, RateCase, UserCase
from domain.audit import AuditEntry
from domain.errors import PostNotFound, Unavailable
from domain.events import Event, topic_of
from domain.identity import Role, Session
from domain.money import Money
from domain.posts import Post
from domain.profile import Ban
from domain.rewards import Earnings, RewardedAction, RewardRate
from domain.wallet import Transaction
from infrastructure.postgres import rights
from infrastructure.postgres import statements as sql
from infrastructure.postgres.accounts import open_account
from infrastructure.postgres.errors import translate
from infrastructure.postgres.rows import actor_of, audit_row, post_of, transaction_of, usable_wallets

ACQUIRE_TIMEOUT_S = 3

AfterCommit = Callable[[Sequence[Event]], None]
"""Told of the events of a transaction that committed; what it raises is its own affair."""


class PostgresUnitOfWork:
    """See :class:`application.unit_of_work.UnitOfWork`, which says what each method promises."""

    def __init__(self, pool: asyncpg.Pool, after_commit: AfterCommit) -> None:
        self._pool = pool
        self._after_commit = after_commit
        self._transactions: list[Transaction] = []
        self._events: list[Event] = []
        self._posts: list[Post] = []
        self._audit: list[AuditEntry] = []
        self._changes: list[tuple[str, tuple[object, ...]]] = []  # statements with their arguments
        self._remembered: tuple[UUID, str, Outcome] | None = None
        self._caller: UUID | None = None
        self._committed = False

    async def __aenter__(self) -> Self:
        try:
            self._connection = await self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
        except Exception as error:
            raise translate(error) or error from error
        try:
            await self._begin()
        except BaseException as error:
            await self._give_back()
            raise translate(error) or error from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not self._committed:
                await self._roll_back()
        finally:
            await self._give_back()
        if error is not None and (meaning := translate(error)):
            raise meaning from error

    async def enter(
        self,
        session: Session,
        *,
        key: KeyedRequest | None = None,
        wallets: Collection[UUID] = (),
        hold: Hold = Hold.NOTHING,
    ) -> Entry:
        """One statement; more to hold, for somebody's first request or payment, and for a key that is taken."""
        self._caller = session.user_id
        name, fingerprint = (None, None) if key is None else (key.key, key.fingerprint)
        arguments = (session.user_id, session.session_id, name, fingerprint, list(wallets))
        await self._hold(hold, session.user_id)
        rows = await self._connection.fetch(sql.ENTER, *arguments)
        if rows[0]["role"] is None and rows[0]["standing"] in {"active", "banned"}:
            # Committed by itself: the account stays, whatever becomes of this request.
            await self._roll_back()
            await open_account(self._connection, session)
            await self._begin()
            await self._hold(hold, session.user_id)
            rows = await self._connection.fetch(sql.ENTER, *arguments)
        head = rows[0]
        actor = actor_of(session, head["role"], head["standing"], banned=head["banned"])
        found = [row for row in rows if row["user_id"] is not None]
        if head["claimed"] and len(found) < len(wallets):
            await self._connection.execute(sql.OPEN_WALLETS, list(wallets))
            found = await self._connection.fetch(sql.LOCK_WALLETS, list(wallets))
        earlier = None
        if key is not None and not head["claimed"]:
            earlier = await self._earlier(session.user_id, key)
        now = max((row["now"] for row in found), default=head["now"])
        return Entry(actor, now, usable_wallets(found), earlier)

    async def hold_staff(self) -> None:
        """One statement."""
        await self._connection.execute(rights.HOLD_STAFF, rights.STAFF_LOCK)

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

    def book(self, transaction: Transaction) -> None:
        """Buffered until the commit."""
        self._transactions.append(transaction)

    def announce(self, event: Event) -> None:
        """Buffered until the commit."""
        self._events.append(event)

    def save_post(self, post: Post) -> None:
        """Buffered until the commit; the database raises the version itself."""
        self._posts.append(post)

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
        self._audit.append(entry)

    def remember(self, key: KeyedRequest, outcome: Outcome) -> None:
        """Buffered until the commit."""
        if self._caller is None:
            raise RuntimeError("a key belongs to a caller: enter first")
        self._remembered = (self._caller, key.key, outcome)

    async def commit(self) -> None:
        """One statement for money, events and the key; one more for a post, a right, and each audit entry."""
        for statement, arguments in self._changes:
            await self._connection.execute(statement, *arguments)
        for post in self._posts:
            await self._save(post)
        for entry in self._audit:
            await self._connection.execute(sql.RECORD, *audit_row(entry))
        moved = await self._connection.fetchval(sql.WRITE, *self._write_arguments())
        if moved != len(self._transactions):
            raise RuntimeError("a wallet moved while it was locked")  # a mistake of ours: nothing is written
        try:
            await self._connection.execute("commit")
        except (OSError, TimeoutError, asyncpg.InterfaceError) as error:
            raise Unavailable from error  # it may have committed or not: the key finds the truth
        self._committed = True
        self._after_commit(self._events)

    async def _hold(self, hold: Hold, user_id: UUID) -> None:
        """Always the staff first, then the caller: two who change each other can't wait for each other."""
        if hold is Hold.STAFF:
            await self.hold_staff()
        if hold is not Hold.NOTHING:
            await self._connection.execute(rights.HOLD_CALLER, user_id)

    async def _begin(self) -> None:
        await self._connection.execute("begin")

    async def _roll_back(self) -> None:
        """Undo everything; a connection that can't even do that is thrown away, never handed out again."""
        try:
            if not self._connection.is_closed():
                await self._connection.execute("rollback")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self._connection.terminate()

    async def _give_back(self) -> None:
        with suppress(OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
            await self._pool.release(self._connection)

    async def _earlier(self, user_id: UUID, key: KeyedRequest) -> Outcome | None:
        row = await self._connection.fetchrow(sql.EARLIER, user_id, key.key)
        if row is None:
            return None
        return Outcome(row["fingerprint"], result=row["result"], refusal=row["refusal"])

    async def _save(self, post: Post) -> None:
        version = await self._connection.fetchval(
            sql.SAVE_POST, post.id, post.status, post.validated_by, post.validated_at, post.validation_reason
        )
        if version != post.version:
            raise RuntimeError("a post changed while it was locked")

    def _write_arguments(self) -> list[object]:
        booked, events = self._transactions, self._events
        user_id, key, outcome = self._remembered or (None, None, None)
        return [
            [row.id for row in booked],
            [row.user_id for row in booked],
            [row.kind for row in booked],
            [row.amount.amount for row in booked],
            [row.balance_after.amount for row in booked],
            [row.version for row in booked],
            [row.created_at for row in booked],
            [row.counterparty_id for row in booked],
            [row.reference_id for row in booked],
            [row.note for row in booked],
            [event.event_id for event in events],
            [topic_of(event.recipient_id) for event in events],
            [event.NAME for event in events],
            [to_json(event) for event in events],
            user_id,
            key,
            outcome and outcome.result,
            outcome and outcome.refusal,
        ]
