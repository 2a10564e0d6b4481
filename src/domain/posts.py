"""Posts and the states of their validation, with the transitions that are allowed."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.errors import Forbidden, InvalidInput, PreconditionRequired, VersionMismatch
from domain.identity import Actor, Role


class PostKind(StrEnum):
    """What was contributed."""

    VOICE = "voice"
    VIDEO = "video"
    TEXT = "text"


class PostStatus(StrEnum):
    """Where a post stands; it begins as pending."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Post:
    """A contribution. The database raises ``version`` on every change, the author's edits included."""

    id: UUID
    author_id: UUID
    kind: PostKind
    title: str
    body: str | None
    language: str
    dialect: str | None
    media_url: str | None
    status: PostStatus
    validated_by: UUID | None
    validated_at: datetime | None
    validation_reason: str | None
    version: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """What a moderator decides; ``seen_version`` is the version they looked at, where they say so."""

    status: PostStatus
    reason: str | None
    seen_version: int | None


# from, to → (the least role, whether a reason is required)
TRANSITIONS = {
    (PostStatus.PENDING, PostStatus.APPROVED): (Role.MODERATOR, False),
    (PostStatus.PENDING, PostStatus.REJECTED): (Role.MODERATOR, False),
    (PostStatus.APPROVED, PostStatus.REJECTED): (Role.MODERATOR, True),
    (PostStatus.REJECTED, PostStatus.APPROVED): (Role.MODERATOR, True),
    (PostStatus.APPROVED, PostStatus.PENDING): (Role.ADMIN, False),
    (PostStatus.REJECTED, PostStatus.PENDING): (Role.ADMIN, False),
}


def validate(post: Post, decision: Decision, *, by: Actor, at: datetime) -> Post:
    """The post after *decision*; the same post where the decision already holds.

    Raises:
        PreconditionRequired: an approval that does not say which version was seen.
        VersionMismatch: the post changed since.
        Forbidden: the transition needs a higher role.
        InvalidInput: the transition needs a reason.
    """
    if decision.status is post.status:
        return post
    if decision.seen_version is None and decision.status is PostStatus.APPROVED:
        raise PreconditionRequired
    if decision.seen_version not in {None, post.version}:
        raise VersionMismatch
    role, reason_required = TRANSITIONS[post.status, decision.status]
    if not by.role.includes(role):
        raise Forbidden
    if reason_required and not decision.reason:
        raise InvalidInput("This change of a decision needs a reason.")
    undecided = decision.status is PostStatus.PENDING
    return replace(
        post,
        status=decision.status,
        validated_by=None if undecided else by.user_id,
        validated_at=None if undecided else at,
        validation_reason=decision.reason,
        version=post.version + 1,
    )
