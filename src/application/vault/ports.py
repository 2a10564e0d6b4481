"""What the vault's reading use-cases ask of the database."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.identity import Actor, Session
from domain.posts import Post, PostKind, PostStatus


@dataclass(frozen=True, slots=True)
class PostFilter:
    """Which posts of the queue are wanted."""

    status: PostStatus | None = None
    language: str | None = None
    kind: PostKind | None = None
    author_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class PostPosition:
    """Where a page of the queue ended: the queue is ordered by time, then id."""

    created_at: datetime
    id: UUID


class VaultReader(Protocol):
    """A reading transaction of the vault."""

    async def enter(self, session: Session) -> Actor:
        """Who is asking, with role and standing as they are now."""
        ...

    async def posts(self, wanted: PostFilter, *, after: PostPosition | None, limit: int) -> Sequence[Post]:
        """At most *limit* posts after *after*, oldest first."""
        ...


VaultReaderFactory = Callable[[], AbstractAsyncContextManager[VaultReader]]
