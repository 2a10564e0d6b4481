"""What the vault's reading use-cases ask of the database."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from domain.audit import AuditAction, AuditEntry
from domain.identity import Actor, Principal
from domain.posts import Post, PostKind, PostStatus
from domain.profile import User
from domain.rewards import RewardRate

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


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: every list is ordered by time, then id, so rows that are added move no page."""

    at: datetime
    id: UUID


class VaultReader(Protocol):
    """A reading transaction of the vault."""

    async def enter(self, session: Principal) -> Actor:
        """Who is asking, with role and account_status as they are now."""
        ...

    async def posts(self, wanted: PostFilter, *, after: Position | None, limit: int) -> Sequence[Post]:
        """At most *limit* posts after *after*, oldest first."""
        ...

    async def post(self, post_id: UUID) -> Post | None:
        """The post; None when there is none."""
        ...

    async def post_counts(self) -> Mapping[PostStatus, int]:
        """How many posts each status has; :data:`COUNTED_TO` means that many or more."""
        ...

    async def users(self, wanted: UserFilter, *, after: Position | None, limit: int) -> Sequence[User]:
        """At most *limit* users after *after*, newest first, deleted ones among them."""
        ...

    async def user(self, user_id: UUID) -> User | None:
        """The user; None when there is no profile."""
        ...

    async def reward_rates(self) -> Sequence[RewardRate]:
        """What actions pay, as far as anything was said, in the order of their names."""
        ...

    async def audit_log(
        self, wanted: AuditFilter, *, after: Position | None, limit: int
    ) -> Sequence[AuditEntry]:
        """At most *limit* entries after *after*, newest first."""
        ...


VaultReaderFactory = Callable[[], AbstractAsyncContextManager[VaultReader]]
