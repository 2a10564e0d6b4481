"""Who may do what: the whole policy on one screen, as data. What no row allows is denied.

``scripts/render_policies.py`` publishes the table in ``docs/security.md``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from domain.audit import AuditAction
from domain.errors import (
    AnonymousSession,
    Banned,
    DomainError,
    Forbidden,
    LastAdmin,
    MfaRequired,
    OwnPost,
    SessionRevoked,
)
from domain.identity import AccountStatus, Actor, Assurance, Role


class Action(StrEnum):
    """Every action that a policy guards."""

    TRANSFER = "wallet.transfer"
    WITHDRAW = "wallet.withdraw"
    READ_POSTS = "vault.read_posts"
    VALIDATE_POST = "vault.validate_post"
    REOPEN_POST = "vault.reopen_post"
    READ_USERS = "vault.read_users"
    READ_BALANCES = "vault.read_balances"
    CHANGE_ROLE = "vault.change_role"
    BAN_USER = "vault.ban_user"
    LIFT_BAN = "vault.lift_ban"
    READ_REWARD_RATES = "vault.read_reward_rates"
    CHANGE_REWARD_RATE = "vault.change_reward_rate"
    READ_AUDIT_LOG = "vault.read_audit_log"
    BOOK_TRANSACTION = "vault.book_transaction"
    READ_WITHDRAWALS = "vault.read_withdrawals"
    SETTLE_WITHDRAWAL = "vault.settle_withdrawal"


@dataclass(frozen=True, slots=True)
class Target:
    """What an action is done to, as far as rules look at it; a rule refuses where its fact is missing.

    ``user_id`` is the user concerned: a post's author, or the user whose role or ban it is, with ``role``.
    ``other_admins`` counts the admins besides that user who are neither banned nor deleted.
    """

    user_id: UUID | None = None
    role: Role | None = None
    other_admins: int | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """A condition beyond the role: in words, as a test, and the refusal (with its detail) where it does not hold."""

    words: str
    holds: Callable[[Actor, Target], bool]
    refusal: type[Forbidden] = Forbidden
    detail: str | None = None


SOMEBODY_ELSES_POST: Final = Rule(
    "nobody decides on their own post",
    lambda actor, target: target.user_id not in {None, actor.user_id},
    OwnPost,
)
NOT_ONESELF: Final = Rule(
    "never oneself",
    lambda actor, target: target.user_id not in {None, actor.user_id},
)
A_PLAIN_USER: Final = Rule("users only, no staff", lambda _, target: target.role is Role.USER)
SOMEBODY_ELSES_WALLET: Final = Rule(
    "nobody decides on their own wallet",
    lambda actor, target: target.user_id not in {None, actor.user_id},
    detail="Nobody may decide on their own wallet; ask another admin.",
)
AN_ADMIN_STAYS: Final = Rule(
    "the last admin stays",
    lambda _, target: target.other_admins is not None and target.other_admins > 0,
    LastAdmin,
)


@dataclass(frozen=True, slots=True)
class Policy:
    """One row: who may do *action* to what, under which rules, and as what it is recorded (None: not a vault's)."""

    action: Action
    role: Role
    on: str
    rules: tuple[Rule, ...] = ()
    recorded_as: AuditAction | None = None

    @property
    def of_vault(self) -> bool:
        """Whether it is one of the protected actions."""
        return self.recorded_as is not None

    def refusal(self, actor: Actor, target: Target) -> DomainError | None:
        """The first rule's refusal; None if all of them hold."""
        return next((rule.refusal(rule.detail) for rule in self.rules if not rule.holds(actor, target)), None)


POLICIES: Final = (
    Policy(Action.TRANSFER, Role.USER, "own wallet"),
    Policy(Action.WITHDRAW, Role.USER, "own wallet"),
    Policy(Action.READ_POSTS, Role.MODERATOR, "any post", (), AuditAction.POST_READ),
    Policy(
        Action.VALIDATE_POST,
        Role.MODERATOR,
        "a post",
        (SOMEBODY_ELSES_POST,),
        AuditAction.POST_VALIDATION_CHANGED,
    ),
    Policy(
        Action.REOPEN_POST,
        Role.ADMIN,
        "a decided post",
        (SOMEBODY_ELSES_POST,),
        AuditAction.POST_VALIDATION_CHANGED,
    ),
    Policy(Action.READ_USERS, Role.MODERATOR, "any profile, role and ban", (), AuditAction.USER_READ),
    Policy(Action.READ_BALANCES, Role.ADMIN, "any balance", (), AuditAction.USER_READ),
    Policy(
        Action.CHANGE_ROLE,
        Role.ADMIN,
        "a user's role",
        (AN_ADMIN_STAYS, NOT_ONESELF),
        AuditAction.ROLE_CHANGED,
    ),
    Policy(Action.BAN_USER, Role.MODERATOR, "a user", (A_PLAIN_USER,), AuditAction.USER_BANNED),
    Policy(Action.BAN_USER, Role.ADMIN, "anyone", (AN_ADMIN_STAYS, NOT_ONESELF), AuditAction.USER_BANNED),
    Policy(Action.LIFT_BAN, Role.MODERATOR, "a user", (A_PLAIN_USER,), AuditAction.BAN_LIFTED),
    Policy(Action.LIFT_BAN, Role.ADMIN, "anyone", (NOT_ONESELF,), AuditAction.BAN_LIFTED),
    Policy(Action.READ_REWARD_RATES, Role.ADMIN, "all rates", (), AuditAction.REWARD_RATE_READ),
    Policy(Action.CHANGE_REWARD_RATE, Role.ADMIN, "a rate", (), AuditAction.REWARD_RATE_CHANGED),
    Policy(Action.READ_AUDIT_LOG, Role.ADMIN, "the audit log", (), AuditAction.AUDIT_LOG_READ),
    Policy(
        Action.BOOK_TRANSACTION,
        Role.ADMIN,
        "somebody else's wallet",
        (SOMEBODY_ELSES_WALLET,),
        AuditAction.TRANSACTION_BOOKED,
    ),
    Policy(Action.READ_WITHDRAWALS, Role.ADMIN, "all withdrawals", (), AuditAction.WITHDRAWAL_READ),
    Policy(
        Action.SETTLE_WITHDRAWAL,
        Role.ADMIN,
        "somebody else's withdrawal",
        (SOMEBODY_ELSES_WALLET,),
        AuditAction.WITHDRAWAL_SETTLED,
    ),
)


def refusal(
    actor: Actor,
    action: Action,
    target: Target | None = None,
    *,
    vault_assurance: Assurance = Assurance.AAL2,
) -> DomainError | None:
    """Why *actor* may not do *action* to *target*; None where a row allows it.

    Without a target only what does not depend on one is judged: enough for an early no, not for a yes where the
    action has rules. *vault_assurance* is what the deployment wants of sessions in the vault: a second factor,
    unless it says otherwise. Of several rows the one for the highest role that the actor has gives the answer.
    """
    if unfit := _unfit(actor):
        return unfit
    rows = [row for row in POLICIES if row.action is action and actor.role.includes(row.role)]
    if not rows:
        return Forbidden()
    if any(row.of_vault for row in rows) and not actor.session.assurance.reaches(vault_assurance):
        return MfaRequired()
    if target is None:
        return None
    refusals = [
        row.refusal(actor, target) for row in sorted(rows, key=lambda row: list(Role).index(row.role))
    ]
    return None if None in refusals else refusals[-1]


def _unfit(actor: Actor) -> DomainError | None:
    """What stands against every action: a session that is over, a ban, an anonymous sign-in."""
    if actor.account_status in {AccountStatus.REVOKED, AccountStatus.DELETED}:
        return SessionRevoked()
    if actor.account_status is AccountStatus.BANNED:
        return Banned()
    return AnonymousSession() if actor.session.is_anonymous else None


def authorise(
    actor: Actor,
    action: Action,
    target: Target | None = None,
    *,
    vault_assurance: Assurance = Assurance.AAL2,
) -> None:
    """Return if *actor* may do *action*; see :func:`refusal`.

    Raises:
        SessionRevoked: the session has ended, or its user is deleted.
        Banned: the user is banned.
        AnonymousSession: the session is an anonymous one.
        MfaRequired: it is a vault action, and the session has too little assurance.
        Forbidden: no policy allows it, or one of its rules refuses.
    """
    if refused := refusal(actor, action, target, vault_assurance=vault_assurance):
        raise refused


def record_of(action: Action) -> AuditAction:
    """As what a vault action is recorded.

    Raises:
        LookupError: it is not one of the vault's.
    """
    for row in POLICIES:
        if row.action is action and row.recorded_as is not None:
            return row.recorded_as
    raise LookupError(action)
