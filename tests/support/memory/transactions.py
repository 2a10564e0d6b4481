"""Transactions in memory: one at a time, undone unless they commit."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

from application.database import (
    ApprovalLock,
    Lock,
    LockedApproval,
    LockedPost,
    LockedTransaction,
    LockedUser,
    LockedWithdrawal,
    Opened,
    OpenedByOperator,
    Opening,
    PostLock,
    RateLock,
    RefusalsLock,
    TransactionLock,
    UserLock,
    WithdrawalLock,
    WriteBatch,
)
from application.idempotency import (
    IDEMPOTENCY_KEY_TTL,
    KEYS_PER_DAY,
    NOT_FOUND_KEY_TTL,
    IdempotencyKey,
    IdempotencyRecord,
)
from domain.approvals import ApprovalStatus
from domain.audit import REFUSALS_KEPT, REFUSALS_PERIOD
from domain.errors import DomainError, NotFound, PostNotFound, RateLimited, UserNotFound, WithdrawalNotFound
from domain.identity import AccountStatus, Principal, Role
from domain.money import NOTHING, ZERO
from domain.rewards import Earning, RewardedAction, RewardRate
from domain.wallet import TRANSFERS, TransactionKind, Wallet
from support.memory.database import MemoryDatabase, StoredKey

L = TypeVar("L")
O_co = TypeVar("O_co", covariant=True)


@dataclass
class MemoryTransaction(Generic[O_co]):
    """See :class:`application.database.OpenTransaction`, which says what is promised."""

    database: MemoryDatabase
    opened: O_co
    key: IdempotencyKey[Any] | None

    async def commit(self, writes: WriteBatch) -> None:
        """See the port."""
        database = self.database
        for row in writes.transactions:
            database.ledger.append(row)
            before = database.wallets.get(row.user_id, Wallet(row.user_id))
            database.wallets[row.user_id] = replace(Wallet(row.user_id).after(row), frozen=before.frozen)
        database.entries.extend(writes.entries)
        database.approvals.update({row.id: row for row in (*writes.approvals, *writes.approvals_decided)})
        database.posts.update({post.id: post for post in writes.posts})
        database.withdrawals.update(
            {row.id: row for row in (*writes.withdrawals, *writes.withdrawals_settled)}
        )
        for user_id, role in writes.roles:
            database.profiles[user_id] = replace(database.profiles[user_id], role=role)
        database.bans.update({ban.user_id: ban for ban in writes.bans})
        for user_id in writes.lifted_bans:
            del database.bans[user_id]
        database.rates.update({rate.action: rate for rate in writes.rates})
        database.audit.extend(writes.audit)
        database.outbox.extend(writes.events)
        for user_id, name, response in writes.responses:
            assert self.key is not None
            assert isinstance(self.opened, Opened)
            record = IdempotencyRecord(self.key.fingerprint, response)
            database.keys[user_id, name] = StoredKey(record, self.opened.now)


class MemoryTransactions:
    """The port :class:`application.database.Database`: one transaction at a time holds everything."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    @asynccontextmanager
    async def begin(
        self, principal: Principal, opening: Opening[L]
    ) -> AsyncIterator[MemoryTransaction[Opened[L]]]:
        """See the port."""
        async with self._database.lock:
            actor = self._database.actor(principal)
            now = datetime.now(UTC)
            allowed = actor.account_status is AccountStatus.ACTIVE and actor.role in opening.roles
            earlier = None
            if opening.key is not None and allowed:
                earlier = self._claim(principal.user_id, opening.key, now)
            wallets = {user_id: wallet for user_id in opening.wallets if (wallet := self._usable(user_id))}
            if opening.counts_spending and principal.user_id in wallets:
                wallets[principal.user_id] = self._spending(wallets[principal.user_id], now)
            locked: Any = None
            if isinstance(opening.lock, RefusalsLock):
                locked = self._refusals(principal.user_id, now - REFUSALS_PERIOD)
            elif opening.lock is not None and actor.role in opening.roles:
                locked = self._locked(opening.lock)
            opened: Opened[L] = Opened(actor, now, wallets, locked, earlier)
            yield MemoryTransaction(self._database, opened, opening.key)

    @asynccontextmanager
    async def begin_as_operator(self, lock: UserLock) -> AsyncIterator[MemoryTransaction[OpenedByOperator]]:
        """See the port."""
        async with self._database.lock:
            opened = OpenedByOperator(datetime.now(UTC), self._locked(lock))
            yield MemoryTransaction(self._database, opened, None)

    def _claim(self, user_id: UUID, key: IdempotencyKey[Any], now: datetime) -> IdempotencyRecord | None:
        """What the key stands for already.

        Raises:
            RateLimited: for nothing, and its caller has too many of them.
        """
        known = self._database.keys.get((user_id, key.key))
        if known is not None:
            life = NOT_FOUND_KEY_TTL if known.record.response.status == 404 else IDEMPOTENCY_KEY_TTL
            if now - known.created_at < life:
                return known.record
        day = timedelta(days=1)
        made = [stored.created_at for (owner, _), stored in self._database.keys.items() if owner == user_id]
        young = sorted(at for at in made if now - at < day)
        if len(young) >= KEYS_PER_DAY:
            raise RateLimited(max(1, int((young[-KEYS_PER_DAY] + day - now).total_seconds())))
        return None

    def _locked(self, lock: Lock[Any]) -> Any:
        found: Any = None
        match lock:
            case PostLock():
                found = self._post(lock.post_id)
            case UserLock():
                found = self._user(lock.user_id)
            case RateLock():
                now = datetime.now(UTC)
                found = self._database.rates.get(lock.action, RewardRate(lock.action, ZERO, now))
            case ApprovalLock():
                found = self._approval(lock.approval_id)
            case TransactionLock():
                found = self._transaction(lock.transaction_id)
            case WithdrawalLock():
                found = self._withdrawal(lock.withdrawal_id)
        return found

    def _post(self, post_id: UUID) -> LockedPost | DomainError:
        post = self._database.posts.get(post_id)
        if post is None:
            return PostNotFound()
        rate = self._database.rates.get(RewardedAction.POST_APPROVED)
        if rate is not None and rate.amount > ZERO:
            self._database.wallets.setdefault(post.author_id, Wallet(post.author_id))
        wallet, earning = self._usable(post.author_id), self._earning(post_id)
        return LockedPost(post, wallet, earning, None if rate is None else rate.amount)

    def _user(self, user_id: UUID) -> LockedUser | DomainError:
        database = self._database
        user = database.user(user_id)
        if user is None or user.deleted:
            return UserNotFound()
        admins = {key for key, profile in database.profiles.items() if profile.role is Role.ADMIN}
        active = {key for key in admins if database.account_status(key) is AccountStatus.ACTIVE}
        return LockedUser(user, len(active - {user_id}))

    def _withdrawal(self, withdrawal_id: UUID) -> LockedWithdrawal | DomainError:
        withdrawal = self._database.withdrawals.get(withdrawal_id)
        if withdrawal is None:
            return WithdrawalNotFound()
        waiting = (
            approval
            for approval in self._database.approvals.values()
            if approval.target_id == withdrawal_id and approval.status is ApprovalStatus.WAITING
        )
        return LockedWithdrawal(withdrawal, self._database.wallets[withdrawal.user_id], next(waiting, None))

    def _approval(self, approval_id: UUID) -> LockedApproval | DomainError:
        approval = self._database.approvals.get(approval_id)
        if approval is None:
            return NotFound()
        withdrawal = self._database.withdrawals.get(approval.target_id)
        wallet = None if withdrawal else self._usable(approval.target_id)
        return LockedApproval(approval, wallet, withdrawal)

    def _spending(self, wallet: Wallet, now: datetime) -> Wallet:
        given = {TransactionKind.TRANSFER_OUT: NOTHING, TransactionKind.WITHDRAWAL: NOTHING}
        for row in self._database.ledger:
            recent = row.created_at > now - timedelta(days=1)
            if row.user_id == wallet.user_id and row.kind in given and recent:
                given[row.kind] -= row.amount.amount
        sent, withdrawn = given.values()
        return replace(wallet, sent=sent, withdrawn=withdrawn)

    def _transaction(self, transaction_id: UUID) -> LockedTransaction | DomainError:
        ledger = self._database.ledger
        row = next((row for row in ledger if row.id == transaction_id), None)
        if row is None:
            return NotFound()
        pair = [side for side in ledger if row.kind in TRANSFERS and side.reference_id == row.reference_id]
        other = next((side for side in pair if side.kind in TRANSFERS and side.id != row.id), None)
        named = [side.id for side in filter(None, (row, other))]
        found = {
            side.reference_id: side
            for side in ledger
            if side.kind is TransactionKind.REVERSAL and side.reference_id in named
        }
        users = (side.user_id for side in filter(None, (row, other)))
        wallets = {user_id: wallet for user_id in users if (wallet := self._usable(user_id))}
        reversals = tuple(found[name] for name in named if name in found)
        return LockedTransaction(row, other, reversals, wallets)

    def _refusals(self, actor_id: UUID, since: datetime) -> int:
        refused = [
            entry
            for entry in self._database.audit
            if entry.actor_id == actor_id and entry.refusal and entry.occurred_at > since
        ]
        return min(len(refused), REFUSALS_KEPT)

    def _usable(self, user_id: UUID) -> Wallet | None:
        """The wallet of a user who has a profile, or wrote a post, and is not deleted."""
        if self._database.account_statuses.get(user_id) is AccountStatus.DELETED:
            return None
        if user_id in self._database.profiles:
            self._database.wallets.setdefault(user_id, Wallet(user_id))
        return self._database.wallets.get(user_id)

    def _earning(self, post_id: UUID) -> Earning | None:
        ledger = self._database.ledger
        earned = next(
            (row for row in ledger if row.kind is TransactionKind.EARNING and row.reference_id == post_id),
            None,
        )
        if earned is None:
            return None
        taken_back = any(
            row.kind is TransactionKind.REVERSAL and row.reference_id == earned.id for row in ledger
        )
        return Earning(earned.id, earned.amount, taken_back)
