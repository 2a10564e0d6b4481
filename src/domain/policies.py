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
    WITHDRAW = "wallet.withdraw"
    READ_POSTS = "vault.read_posts"
    VALIDATE_POST = "vault.validate_post"
    BOOK_TRANSACTION = "vault.book_transaction"
    READ_WITHDRAWALS = "vault.read_withdrawals"
    SETTLE_WITHDRAWAL = "vault.settle_withdrawal"


@dataclass(frozen=True, slots=True)
class Target:
    """What an action is done to, as far as a policy looks at it."""

    owner_id: UUID | None = None


type_of_rule = Callable[[Actor, Target], DomainError | None]


def not_own(actor: Actor, target: Target) -> DomainError | None:
    """Refuse whoever owns the target."""
    return OwnPost() if target.owner_id == actor.user_id else None


def not_own_wallet(actor: Actor, target: Target) -> DomainError | None:
    """Refuse whoever's money it is: paying oneself, or settling one's own withdrawal, takes a second admin."""
    if target.owner_id == actor.user_id:
        return Forbidden("Nobody may decide on their own wallet; ask another admin.")
    return None


@dataclass(frozen=True, slots=True)
class Policy:
    """The least role that an action needs, and the rules beyond the role."""

    role: Role
    rules: tuple[type_of_rule, ...] = ()


POLICIES: Final = MappingProxyType(
    {
        Action.TRANSFER: Policy(Role.USER),
        Action.WITHDRAW: Policy(Role.USER),
        Action.READ_POSTS: Policy(Role.MODERATOR),
        Action.VALIDATE_POST: Policy(Role.MODERATOR, (not_own,)),
        Action.BOOK_TRANSACTION: Policy(Role.ADMIN, (not_own_wallet,)),
        Action.READ_WITHDRAWALS: Policy(Role.ADMIN),
        Action.SETTLE_WITHDRAWAL: Policy(Role.ADMIN, (not_own_wallet,)),
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
