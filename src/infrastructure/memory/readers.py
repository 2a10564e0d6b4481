"""Reading in memory: accounts, wallets, and the vault's lists."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar
from uuid import UUID

from application.vault.ports import COUNTED_TO, AuditFilter, Position, PostFilter, UserFilter
from application.wallet.ports import TransactionFilter
from domain.audit import AuditEntry
from domain.identity import AccountStatus, Actor, Principal
from domain.posts import Post, PostStatus
from domain.profile import Account, User
from domain.rewards import RewardRate
from domain.wallet import Transaction, Wallet
from infrastructure.memory.database import MemoryDatabase

T = TypeVar("T")


class MemoryAccounts:
    """The port :class:`application.profile.ports.Accounts`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def find(self, user_id: UUID) -> Account | None:
        """See the port."""
        profile = self._database.profiles.get(user_id)
        if profile is None:
            return None
        return Account(
            id=profile.id,
            username=profile.username,
            full_name=profile.full_name,
            avatar_url=profile.avatar_url,
            role=profile.role,
            balance=self._database.wallets[user_id].balance,
            banned=self._database.account_status(user_id) is AccountStatus.BANNED,
        )

    async def open(self, session: Principal) -> None:
        """See the port."""
        self._database.open(session)


class MemoryWallets:
    """The port :class:`application.wallet.ports.Wallets`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def find(self, user_id: UUID) -> Wallet | None:
        """See the port."""
        return self._database.wallets.get(user_id)

    async def history(
        self, user_id: UUID, wanted: TransactionFilter, *, before_version: int | None, limit: int
    ) -> Sequence[Transaction]:
        """See the port."""
        rows = [
            row
            for row in self._database.ledger
            if row.user_id == user_id
            and (before_version is None or row.version < before_version)
            and wanted.kind in {None, row.kind}
            and (wanted.since is None or row.created_at >= wanted.since)
            and (wanted.until is None or row.created_at < wanted.until)
        ]
        return sorted(rows, key=lambda row: -row.version)[:limit]


class MemoryVaultReader:
    """The port :class:`application.vault.ports.VaultReader`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held."""

    async def enter(self, session: Principal) -> Actor:
        """See the port."""
        return self._database.actor(session)

    async def posts(self, wanted: PostFilter, *, after: Position | None, limit: int) -> Sequence[Post]:
        """See the port."""
        rows = [
            post
            for post in self._database.posts.values()
            if wanted.status in {None, post.status}
            and wanted.language in {None, post.language}
            and wanted.kind in {None, post.kind}
            and wanted.author_id in {None, post.author_id}
        ]
        return _page(rows, lambda post: (post.created_at, post.id), after, limit, newest_first=False)

    async def post(self, post_id: UUID) -> Post | None:
        """See the port."""
        return self._database.posts.get(post_id)

    async def post_counts(self) -> Mapping[PostStatus, int]:
        """See the port."""
        found = [post.status for post in self._database.posts.values()]
        return {status: min(found.count(status), COUNTED_TO) for status in PostStatus}

    async def users(self, wanted: UserFilter, *, after: Position | None, limit: int) -> Sequence[User]:
        """See the port."""
        everybody = filter(None, map(self._database.user, self._database.profiles))
        rows = [user for user in everybody if _matches(user, wanted.query)]
        return _page(rows, lambda user: (user.created_at, user.id), after, limit)

    async def user(self, user_id: UUID) -> User | None:
        """See the port."""
        return self._database.user(user_id)

    async def reward_rates(self) -> Sequence[RewardRate]:
        """See the port."""
        return sorted(self._database.rates.values(), key=lambda rate: rate.action)

    async def audit_log(
        self, wanted: AuditFilter, *, after: Position | None, limit: int
    ) -> Sequence[AuditEntry]:
        """See the port."""
        rows = [
            entry
            for entry in self._database.audit
            if wanted.actor_id in {None, entry.actor_id}
            and wanted.target_id in {None, entry.target_id}
            and wanted.action in {None, entry.action}
        ]
        return _page(rows, lambda entry: (entry.occurred_at, entry.id), after, limit)


def _matches(user: User, query: str | None) -> bool:
    if not query:
        return True
    names = [name.lower() for name in (user.username, user.full_name) if name]
    return query == str(user.id) or any(name.startswith(query.lower()) for name in names)


def _page(
    rows: Sequence[T],
    key: Callable[[T], tuple[datetime, UUID]],
    after: Position | None,
    limit: int,
    *,
    newest_first: bool = True,
) -> Sequence[T]:
    """The rows beyond *after* in the list's order."""
    ordered = sorted(rows, key=key, reverse=newest_first)
    if after is None:
        return ordered[:limit]
    end = (after.at, after.id)
    return [row for row in ordered if (key(row) < end if newest_first else key(row) > end)][:limit]
