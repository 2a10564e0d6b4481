"""Reading in memory: accounts, wallets, and the vault's lists."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self
from uuid import UUID

from application.vault.ports import PostFilter, PostPosition
from application.wallet.ports import TransactionFilter
from domain.identity import Actor, Session, Standing
from domain.posts import Post
from domain.profile import Account
from domain.wallet import Transaction, Wallet
from infrastructure.memory.database import MemoryDatabase


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
            banned=self._database.standings.get(user_id) is Standing.BANNED,
        )

    async def open(self, session: Session) -> None:
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

    async def enter(self, session: Session) -> Actor:
        """See the port."""
        return self._database.actor(session)

    async def posts(self, wanted: PostFilter, *, after: PostPosition | None, limit: int) -> Sequence[Post]:
        """See the port."""
        rows = [
            post
            for post in self._database.posts.values()
            if wanted.status in {None, post.status}
            and wanted.language in {None, post.language}
            and wanted.kind in {None, post.kind}
            and wanted.author_id in {None, post.author_id}
            and (after is None or (post.created_at, post.id) > (after.created_at, after.id))
        ]
        return sorted(rows, key=lambda post: (post.created_at, post.id))[:limit]
