"""What the tables would hold, in a few dictionaries."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from application.idempotency import Outcome
from domain.audit import AuditEntry
from domain.events import Event
from domain.identity import AccountStatus, Actor, Principal, Role
from domain.money import ZERO
from domain.posts import Post
from domain.profile import Account, Ban, User
from domain.rewards import RewardedAction, RewardRate
from domain.wallet import Transaction, Wallet
from domain.withdrawals import Withdrawal


@dataclass
class MemoryDatabase:
    """What the tables would hold. Tests fill and read it directly."""

    profiles: dict[UUID, Account] = field(default_factory=dict)
    account_statuses: dict[UUID, AccountStatus] = field(
        default_factory=dict
    )  # of users; active where nothing is said
    revoked_sessions: set[UUID] = field(default_factory=set)
    wallets: dict[UUID, Wallet] = field(default_factory=dict)
    ledger: list[Transaction] = field(default_factory=list)
    withdrawals: dict[UUID, Withdrawal] = field(default_factory=dict)
    posts: dict[UUID, Post] = field(default_factory=dict)
    joined: dict[UUID, datetime] = field(default_factory=dict)  # when each profile was made
    bans: dict[UUID, Ban] = field(default_factory=dict)
    rates: dict[RewardedAction, RewardRate] = field(default_factory=dict)
    keys: dict[tuple[UUID, str], Outcome] = field(default_factory=dict)
    outbox: list[Event] = field(default_factory=list)
    audit: list[AuditEntry] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def actor(self, session: Principal) -> Actor:
        """The caller, as the database knows them now; a first-time caller gets an account."""
        account_status = self.account_status(session.user_id)
        if account_status is not AccountStatus.DELETED and session.session_id in self.revoked_sessions:
            account_status = AccountStatus.REVOKED
        if account_status in {AccountStatus.ACTIVE, AccountStatus.BANNED}:
            self.open(session)
        profile = self.profiles.get(session.user_id)
        return Actor(session, profile.role if profile else Role.USER, account_status)

    def account_status(self, user_id: UUID) -> AccountStatus:
        """Whether a user may still act; a ban of ours counts like one of Supabase Auth's."""
        known = self.account_statuses.get(user_id, AccountStatus.ACTIVE)
        return AccountStatus.BANNED if known is AccountStatus.ACTIVE and user_id in self.bans else known

    def user(self, user_id: UUID) -> User | None:
        """A user who has a profile, as the vault sees them."""
        profile = self.profiles.get(user_id)
        if profile is None:
            return None
        return User(
            id=user_id,
            username=profile.username,
            full_name=profile.full_name,
            avatar_url=profile.avatar_url,
            role=profile.role,
            created_at=self.joined[user_id],
            ban=self.bans.get(user_id),
            banned_by_auth=self.account_statuses.get(user_id) is AccountStatus.BANNED,
            balance=self.wallets.get(user_id, Wallet(user_id)).balance,
            deleted=self.account_status(user_id) is AccountStatus.DELETED,
        )

    def open(self, session: Principal) -> None:
        """Make a profile and a wallet where they are missing."""
        display = session.display
        self.joined.setdefault(session.user_id, datetime.now(UTC))
        self.profiles.setdefault(
            session.user_id,
            Account(
                id=session.user_id,
                username=display.username,
                full_name=display.full_name,
                avatar_url=display.avatar_url,
                role=Role.USER,
                balance=ZERO,
                banned=False,
            ),
        )
        self.wallets.setdefault(session.user_id, Wallet(session.user_id))
