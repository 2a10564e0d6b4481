"""Who may do what: the whole policy on one screen, as data. What no row allows is denied."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final
from uuid import UUID

from domain.errors import AnonymousSession, Banned, DomainError, Forbidden, OwnPost, SessionRevoked
from domain.identity import Actor, Role, Standing


class Action(StrEnum):
    """Every action that a policy guards."""

    TRANSFER = "wallet.transfer"
    READ_POSTS = "vault.read_posts"
    VALIDATE_POST = "vault.validate_post"


@dataclass(frozen=True, slots=True)
class Target:
    """What an action is done to, as far as a policy looks at it."""

    owner_id: UUID | None = None


type_of_rule = Callable[[Actor, Target], DomainError | None]


def not_own(actor: Actor, target: Target) -> DomainError | None:
    """Refuse whoever owns the target."""
    return OwnPost() if target.owner_id == actor.user_id else None


@dataclass(frozen=True, slots=True)
class Policy:
    """The least role that an action needs, and the rules beyond the role."""

    role: Role
    rules: tuple[type_of_rule, ...] = ()


POLICIES: Final = MappingProxyType(
    {
        Action.TRANSFER: Policy(Role.USER),
        Action.READ_POSTS: Policy(Role.MODERATOR),
        Action.VALIDATE_POST: Policy(Role.MODERATOR, (not_own,)),
    }
)


def authorise(actor: Actor, action: Action, target: Target = Target()) -> None:
    """Return if *actor* may do *action* to *target*.

    Raises:
        SessionRevoked: the session has ended, or its user is deleted.
        Banned: the user is banned.
        AnonymousSession: the session is an anonymous one.
        Forbidden: no policy allows it, or one of its rules refuses.
    """
    if actor.standing in {Standing.REVOKED, Standing.DELETED}:
        raise SessionRevoked
    if actor.standing is Standing.BANNED:
        raise Banned
    if actor.session.is_anonymous:
        raise AnonymousSession
    policy = POLICIES.get(action)
    if policy is None or not actor.role.includes(policy.role):
        raise Forbidden
    for rule in policy.rules:
        if refusal := rule(actor, target):
            raise refusal
