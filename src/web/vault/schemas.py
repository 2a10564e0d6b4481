"""What ``/vault/posts`` takes and answers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import msgspec

from application.vault.ports import COUNTED_TO
from application.vault.validate_post import ValidateCommand
from domain.posts import Decision, Post, PostKind, PostStatus
from web.fields import NO_NUL

ReasonField = Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=NO_NUL)]


class PostOut(msgspec.Struct):
    """A post as a moderator sees it; ``version`` is what an approval must name in ``If-Match``."""

    id: UUID
    author_id: UUID
    kind: PostKind
    title: str
    body: str | None
    language: str
    dialect: str | None
    media_url: str | None
    validation_status: PostStatus
    validated_by: UUID | None
    validated_at: datetime | None
    validation_reason: str | None
    version: int
    created_at: datetime

    @classmethod
    def of(cls, post: Post) -> Self:
        """The answer for *post*."""
        return cls(
            id=post.id,
            author_id=post.author_id,
            kind=post.kind,
            title=post.title,
            body=post.body,
            language=post.language,
            dialect=post.dialect,
            media_url=post.media_url,
            validation_status=post.status,
            validated_by=post.validated_by,
            validated_at=post.validated_at,
            validation_reason=post.validation_reason,
            version=post.version,
            created_at=post.created_at,
        )


class PostPageOut(msgspec.Struct):
    """Some posts, oldest first; ``next_cursor`` is null on the last page."""

    items: list[PostOut]
    next_cursor: str | None


class PostCountsOut(msgspec.Struct):
    """How many posts each status has. Counting stops at ``limit``: that number means that many or more."""

    pending: int
    approved: int
    rejected: int
    limit: int

    @classmethod
    def of(cls, counts: Mapping[PostStatus, int]) -> Self:
        """The answer for *counts*."""
        return cls(**{status.value: counts[status] for status in PostStatus}, limit=COUNTED_TO)


class ValidationIn(msgspec.Struct, forbid_unknown_fields=True):
    """A decision on a post."""

    status: PostStatus
    reason: ReasonField | None = None

    def to_command(self, post_id: str, seen_version: int | None) -> ValidateCommand:
        """The command that this body means for the post *post_id*."""
        return ValidateCommand(UUID(post_id), Decision(self.status, self.reason, seen_version))
