"""Posts and the states of their validation, with the transitions that are allowed."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from domain.errors import InvalidInput, PreconditionRequired, VersionMismatch
from domain.identity import Actor
from domain.policies import Action


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
    validation_status: PostStatus
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

    @property
    def action(self) -> Action:
        """The protected action that it is: going back to pending is one of its own."""
        return Action.REOPEN_POST if self.status is PostStatus.PENDING else Action.VALIDATE_POST


@dataclass(frozen=True, slots=True)
class Transition:
    """What a change of status needs, and in words what it does to the author's wallet (domain/rewards.py)."""

    reason_required: bool
    money: str


_PAYS: Final = "pays the rate in force, if the post never earned"
_TAKES_BACK: Final = "takes the earning back, as far as the wallet holds it"
TRANSITIONS: Final = MappingProxyType(
    {
        (PostStatus.PENDING, PostStatus.APPROVED): Transition(False, _PAYS),
        (PostStatus.PENDING, PostStatus.REJECTED): Transition(False, "none"),
        (PostStatus.APPROVED, PostStatus.REJECTED): Transition(True, _TAKES_BACK),
        (PostStatus.REJECTED, PostStatus.APPROVED): Transition(True, _PAYS),
        (PostStatus.APPROVED, PostStatus.PENDING): Transition(False, _TAKES_BACK),
        (PostStatus.REJECTED, PostStatus.PENDING): Transition(False, "none"),
    }
)


def validate(post: Post, decision: Decision, *, by: Actor, at: datetime) -> Post:
    """The post after *decision*, which the policies allow; the same post where the decision already holds.

    Raises:
        PreconditionRequired: an approval that does not say which version was seen.
        VersionMismatch: the post changed since.
        InvalidInput: the transition needs a reason.
    """
    if decision.status is post.validation_status:
        return post
    if decision.seen_version is None and decision.status is PostStatus.APPROVED:
        raise PreconditionRequired
    if decision.seen_version not in {None, post.version}:
        raise VersionMismatch
    if TRANSITIONS[post.validation_status, decision.status].reason_required and not decision.reason:
        raise InvalidInput("This change of a decision needs a reason.")
    undecided = decision.status is PostStatus.PENDING
    return replace(
        post,
        validation_status=decision.status,
        validated_by=None if undecided else by.user_id,
        validated_at=None if undecided else at,
        validation_reason=decision.reason,
        version=post.version + 1,
    )
