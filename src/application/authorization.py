"""The way to read in the vault: the policy table decides, and what it refuses is recorded before it is told."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from application.ports import Position, Row
from application.transactions import AuditContext, Transactions
from domain.approvals import ApprovalStatus
from domain.audit import AuditAction
from domain.identity import Actor, Principal
from domain.policies import Action
from domain.posts import PostKind, PostStatus
from domain.profile import User
from domain.withdrawals import WithdrawalStatus

COUNTED_TO: Final = 10_000
"""Where counting the posts of a status stops: it costs the same however many there are."""


@dataclass(frozen=True, slots=True)
class PostFilter:
    """Which posts of the queue are wanted."""

    status: PostStatus | None = None
    language: str | None = None
    kind: PostKind | None = None
    author_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class UserFilter:
    """Which users are wanted: whose username or full name begins with ``query``, or whose id it is; any case."""

    query: str | None = None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which rows of the audit log are wanted."""

    actor_id: UUID | None = None
    target_id: UUID | None = None
    action: AuditAction | None = None


class VaultReader(Protocol):
    """The vault's lists, each one statement."""

    async def enter(self, principal: Principal) -> Actor:
        """Who is asking, with role and account status as they are now."""
        ...

    async def posts(self, wanted: PostFilter, *, after: Position | None, limit: int) -> Sequence[Row]:
        """At most *limit* posts after *after*, oldest first."""
        ...

    async def post(self, post_id: UUID) -> Row | None:
        """The post; None when there is none."""
        ...

    async def post_counts(self) -> Row:
        """How many posts each status has; :data:`COUNTED_TO` means that many or more."""
        ...

    async def users(self, wanted: UserFilter, *, after: Position | None, limit: int) -> Sequence[User]:
        """At most *limit* users after *after*, newest first, deleted ones among them."""
        ...

    async def user(self, user_id: UUID) -> User | None:
        """The user; None when there is no profile."""
        ...

    async def reward_rates(self) -> Sequence[Row]:
        """What actions pay, as far as anything was said, in the order of their names."""
        ...

    async def approvals(self, status: ApprovalStatus, *, after: Position | None, limit: int) -> Sequence[Row]:
        """At most *limit* approvals after *after*, oldest first; what has expired does not wait."""
        ...

    async def books(self, at: datetime | None) -> Sequence[Row]:
        """``account`` and ``total`` of every account at *at* (UTC), or now; all wallets together are one."""
        ...

    async def audit_log(self, wanted: AuditFilter, *, after: Position | None, limit: int) -> Sequence[Row]:
        """At most *limit* entries after *after*, newest first."""
        ...

    async def withdrawals(
        self, status: WithdrawalStatus | None, *, after: Position | None, limit: int
    ) -> Sequence[Row]:
        """At most *limit* withdrawals of everybody after *after*, oldest first."""
        ...


VaultReaderFactory = Callable[[], AbstractAsyncContextManager[VaultReader]]


class Authorizer:
    """Lets into the vault whom the table allows it."""

    def __init__(self, transactions: Transactions, readers: VaultReaderFactory) -> None:
        self._transactions = transactions
        self._readers = readers

    def is_allowed(self, actor: Actor, action: Action) -> bool:
        """Whether the table allows it; nothing is recorded."""
        return self._transactions.refusal(actor, action) is None

    @asynccontextmanager
    async def authorized_reader(
        self, principal: Principal, audit: AuditContext
    ) -> AsyncIterator[tuple[VaultReader, Actor]]:
        """The vault's lists for somebody whom the table allows it; a refusal is recorded, then raised.

        Raises:
            Unauthenticated, Forbidden: see :func:`domain.policies.refusal`.
            Unavailable: the database does not answer.
        """
        async with self._readers() as reader:
            actor = await reader.enter(principal)
            refused = self._transactions.refusal(actor, audit.action)
            if refused is None:
                yield reader, actor
                return
        await self._transactions.record_refusal(principal, audit, refused)
        raise refused
