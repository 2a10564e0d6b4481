"""Transactions on the shared database, each alone. Nothing commits but :meth:`PostgresTransaction.commit`."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import asyncpg
import structlog

from application.database import (
    ApprovalLock,
    Lock,
    Opened,
    OpenedByOperator,
    Opening,
    OpenTransaction,
    PostLock,
    RateLock,
    RefusalsLock,
    TransactionLock,
    UserLock,
    WithdrawalLock,
    WriteBatch,
)
from application.idempotency import KEYS_PER_DAY, IdempotencyKey
from domain.audit import REFUSALS_KEPT, REFUSALS_PERIOD
from domain.errors import Unavailable
from domain.identity import AccountStatus, Actor, DisplayFields, Principal
from infrastructure.postgres import idempotency, mappers, queries
from infrastructure.postgres.accounts import open_account
from infrastructure.postgres.pool import Pool, acquire_connection
from infrastructure.postgres.write_batch import statement_of

L = TypeVar("L")
O_co = TypeVar("O_co", covariant=True)
Connection = Any
AfterCommit = Callable[[], None]
"""Told of each commit that owes an event. It neither waits nor raises: the request is not answered yet."""

_LIVING: Final = {AccountStatus.ACTIVE, AccountStatus.BANNED}
# As queries.READ_POST reads it.
_NEW_WALLET: Final = {"balance": Decimal(), "wallet_version": 0, "hash": None}

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class PostgresTransaction(Generic[O_co]):
    """See :class:`application.database.OpenTransaction`, which says what is promised."""

    connection: Connection
    after_commit: AfterCommit
    opened: O_co = field(init=False)
    committing: bool = False
    ended: bool = False

    async def commit(self, *writes: WriteBatch) -> None:
        """Two statements, for several batches too."""
        text, arguments, expected = statement_of(writes)
        if text and await self.connection.fetchval(text, *arguments) != expected:
            raise RuntimeError("what was locked has changed")  # a mistake of ours: nothing is written
        # Where this fails, it may have committed or not (Unavailable): the key finds the truth.
        self.committing = True
        tag = await self.connection.execute("commit")
        self.ended = True
        if tag != "COMMIT":
            # The server answers ROLLBACK, and no error, where a statement before had failed.
            log.error("transaction.not_committed", tag=tag)
            raise Unavailable
        if any(batch.events for batch in writes):
            self.after_commit()

    async def roll_back(self) -> None:
        """Undo what did not commit; a connection that can't even do that is thrown away, never handed out again."""
        if self.ended:
            return
        try:
            if not self.connection.is_closed():
                await self.connection.execute("rollback")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            self.connection.terminate()


class PostgresDatabase:
    """The port :class:`application.database.Database`: each transaction has a connection to itself."""

    def __init__(self, pool: Pool, after_commit: AfterCommit) -> None:
        self._pool = pool
        self._after_commit = after_commit

    def begin(
        self, principal: Principal, opening: Opening[L]
    ) -> AbstractAsyncContextManager[OpenTransaction[Opened[L]]]:
        """Two statements; a third for a lock, and more for a first request or payment, or a key that is taken."""
        return self._begin(partial(_open, principal=principal, opening=opening))

    def begin_as_operator(
        self, lock: UserLock
    ) -> AbstractAsyncContextManager[PostgresTransaction[OpenedByOperator]]:
        """Three statements."""
        return self._begin(partial(_open_as_operator, lock=lock))

    @asynccontextmanager
    async def _begin(self, opened: Callable[[Connection], Any]) -> AsyncIterator[PostgresTransaction[Any]]:
        async with acquire_connection(self._pool) as connection:
            transaction: PostgresTransaction[Any] = PostgresTransaction(connection, self._after_commit)
            try:
                transaction.opened = await opened(connection)
                yield transaction
            except (asyncio.CancelledError, TimeoutError):
                raise  # the connection is closed with all that it began
            except BaseException:
                await transaction.roll_back()
                raise
            if not transaction.ended:
                await transaction.roll_back()


async def _open_as_operator(connection: Connection, lock: UserLock) -> OpenedByOperator:
    await connection.execute(queries.BEGIN)
    await connection.fetchval(queries.LOCK_USER_AS_OPERATOR, lock.user_id)
    row = await connection.fetchrow(queries.READ_USER_AS_OPERATOR, lock.user_id)
    return OpenedByOperator(row["now"], mappers.locked_user(row))


async def _open(connection: Connection, principal: Principal, opening: Opening[Any]) -> Opened[Any]:
    await connection.execute(queries.BEGIN)
    rows = await _enter(connection, principal, opening)
    if rows[0]["caller_role"] is None and rows[0]["caller_status"] in _LIVING:
        # Committed by itself: the account stays, whatever becomes of this request.
        await connection.execute("rollback")
        await open_account(connection, principal.user_id, principal.display)
        await connection.execute(queries.BEGIN)
        rows = await _enter(connection, principal, opening)
    head = rows[0]
    actor = mappers.actor_of(principal, head)
    if opening.key is not None:
        return await _keyed(connection, opening, opening.key, actor, rows)
    if isinstance(opening.lock, RefusalsLock):
        return Opened(actor, head["now"], locked=head["recorded"])
    subject = _without_wallet(opening.lock, head)
    if subject is not None:
        made = await open_account(connection, subject, DisplayFields())
        if made and isinstance(opening.lock, PostLock):
            head = {**head, **_NEW_WALLET}
        else:
            [head] = await _enter(connection, principal, opening)
    locked = _KINDS[type(opening.lock)].locked(head)
    return Opened(actor, head["now"], locked=locked, epoch=head.get("epoch", 1))


async def _enter(connection: Connection, principal: Principal, opening: Opening[Any]) -> Sequence[Any]:
    """Lock and read: rows that all begin with the caller."""
    user_id, session_id, lock = principal.user_id, principal.session_id, opening.lock
    roles = list(opening.roles)
    if opening.key is not None:
        if lock is not None:
            await connection.execute(queries.LOCK_CALLER, user_id)
        key, wallets = opening.key, list(opening.wallets)
        claim = (user_id, session_id, key.key, key.fingerprint, wallets, roles, KEYS_PER_DAY)
        arguments = (*claim, opening.counts_spending)
        return list(await connection.fetch(idempotency.CLAIM, *arguments))
    if isinstance(lock, RefusalsLock):
        counting = (user_id, REFUSALS_PERIOD, REFUSALS_KEPT)
        await connection.execute(queries.LOCK_REFUSALS, *counting)
        counted = (user_id, session_id, REFUSALS_PERIOD, REFUSALS_KEPT)
        return [await connection.fetchrow(queries.READ_REFUSALS, *counted)]
    kind = _KINDS[type(lock)]
    subject = getattr(lock, kind.subject)
    await connection.execute(kind.lock, user_id, subject, roles)
    return [await connection.fetchrow(kind.read, user_id, session_id, subject, roles)]


def _without_wallet(lock: Lock[Any] | None, row: Any) -> UUID | None:
    """The author of a post that may be paid for, or the user, who is locked and lives but never came to the backend."""
    if isinstance(lock, PostLock):
        if not row["rate"]:
            return None  # nothing is paid, so nothing is opened
        owner_id, status = row["author_id"], row["owner_status"]
    elif isinstance(lock, UserLock):
        owner_id, status = row["id"], row["account_status"]
    else:
        return None
    return owner_id if row["balance"] is None and status in _LIVING else None


async def _keyed(
    connection: Connection,
    opening: Opening[Any],
    key: IdempotencyKey[Any],
    actor: Actor,
    rows: Sequence[Any],
) -> Opened[None]:
    head = rows[0]
    if head["claimed"]:
        found = [row for row in rows if row["user_id"] is not None]
        if len(found) < len(opening.wallets):
            wallets = list(opening.wallets)
            await connection.execute(queries.OPEN_WALLETS, wallets)
            counted = [actor.user_id] if opening.counts_spending else []
            found = await connection.fetch(queries.LOCK_WALLETS, wallets, counted)
        now = max((row["now"] for row in found), default=head["now"])
        return Opened(actor, now, mappers.usable_wallets(found), epoch=head["epoch"])
    earlier = None
    if actor.account_status is AccountStatus.ACTIVE and actor.role in opening.roles:
        earlier = await idempotency.earlier(connection, actor.user_id, key, head["free_in"])
    return Opened(actor, head["now"], earlier=earlier)


@dataclass(frozen=True, slots=True)
class _Kind:
    """How one kind of lock is taken and read, and under which name it has what it locks."""

    subject: str
    lock: str
    read: str
    locked: Callable[[Any], Any]


_KINDS: Final[dict[Any, _Kind]] = {
    PostLock: _Kind("post_id", queries.LOCK_POST, queries.READ_POST, mappers.locked_post),
    UserLock: _Kind("user_id", queries.LOCK_USER, queries.READ_USER, mappers.locked_user),
    RateLock: _Kind("action", queries.LOCK_RATE, queries.READ_RATE, mappers.locked_rate),
    ApprovalLock: _Kind("approval_id", queries.LOCK_APPROVAL, queries.READ_APPROVAL, mappers.locked_approval),
    TransactionLock: _Kind(
        "transaction_id", queries.LOCK_TRANSACTION, queries.READ_TRANSACTION, mappers.locked_transaction
    ),
    WithdrawalLock: _Kind(
        "withdrawal_id", queries.LOCK_WITHDRAWAL, queries.READ_WITHDRAWAL, mappers.locked_withdrawal
    ),
}
