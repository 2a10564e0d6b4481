"""What the tables would hold, in a few dictionaries."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import UUID

from application.idempotency import IdempotencyRecord
from domain.approvals import Approval
from domain.audit import AuditEntry
from domain.errors import SessionRevoked
from domain.events import Event
from domain.identity import AccountStatus, Actor, Ban, Principal, Role, User
from domain.ledger import LedgerEntry
from domain.money import ZERO
from domain.posts import Post
from domain.rewards import RewardedAction, RewardRate
from domain.wallet import Transaction, Wallet
from domain.withdrawals import Withdrawal


@dataclass
class StoredKey:
    """An idempotency key, and when it was claimed."""

    record: IdempotencyRecord
    created_at: datetime


@dataclass
class MemoryDatabase:
    """What the tables would hold. Tests fill and read it directly."""

    profiles: dict[UUID, User] = field(default_factory=dict)  # but for their bans and balances
    # Of users; active where nothing is said.
    account_statuses: dict[UUID, AccountStatus] = field(default_factory=dict)
    revoked_sessions: set[UUID] = field(default_factory=set)
    wallets: dict[UUID, Wallet] = field(default_factory=dict)
    ledger: list[Transaction] = field(default_factory=list)
    entries: list[LedgerEntry] = field(default_factory=list)
    withdrawals: dict[UUID, Withdrawal] = field(default_factory=dict)
    approvals: dict[UUID, Approval] = field(default_factory=dict)
    posts: dict[UUID, Post] = field(default_factory=dict)
    bans: dict[UUID, Ban] = field(default_factory=dict)
    rates: dict[RewardedAction, RewardRate] = field(default_factory=dict)
    keys: dict[tuple[UUID, str], StoredKey] = field(default_factory=dict)
    outbox: list[Event] = field(default_factory=list)
    audit: list[AuditEntry] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def actor(self, principal: Principal) -> Actor:
        """The caller, as the database knows them now; a first-time caller gets an account."""
        account_status = self.account_status(principal.user_id)
        if account_status is not AccountStatus.DELETED and principal.session_id in self.revoked_sessions:
            account_status = AccountStatus.REVOKED
        if account_status in {AccountStatus.ACTIVE, AccountStatus.BANNED}:
            self.open(principal)
        profile = self.profiles.get(principal.user_id)
        return Actor(principal, profile.role if profile else Role.USER, account_status)

    def account_status(self, user_id: UUID) -> AccountStatus:
        """Whether a user may still act; a ban of ours counts like one of Supabase Auth's."""
        known = self.account_statuses.get(user_id, AccountStatus.ACTIVE)
        return AccountStatus.BANNED if known is AccountStatus.ACTIVE and user_id in self.bans else known

    def user(self, user_id: UUID) -> User | None:
        """A user who has a profile, as the vault sees them."""
        profile = self.profiles.get(user_id)
        if profile is None:
            return None
        return replace(
            profile,
            ban=self.bans.get(user_id),
            banned_by_auth=self.account_statuses.get(user_id) is AccountStatus.BANNED,
            balance=self.wallets.get(user_id, Wallet(user_id)).balance,
            deleted=self.account_status(user_id) is AccountStatus.DELETED,
        )

    def open(self, principal: Principal) -> None:
        """Make a profile and a wallet where they are missing.

        Raises:
            SessionRevoked: the user is deleted.
        """
        user_id, display = principal.user_id, principal.display
        if self.account_status(user_id) is AccountStatus.DELETED:
            raise SessionRevoked
        made = User(
            id=user_id,
            username=display.username,
            full_name=display.full_name,
            avatar_url=display.avatar_url,
            role=Role.USER,
            created_at=datetime.now(UTC),
            ban=None,
            banned_by_auth=False,
            balance=ZERO,
        )
        self.profiles.setdefault(user_id, made)
        self.wallets.setdefault(user_id, Wallet(user_id))
