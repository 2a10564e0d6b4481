"""Who may do what: the whole policy on one screen, as data. What no row allows is denied.

``scripts/render_policies.py`` publishes the table in ``docs/security.md``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Final
from uuid import UUID

from domain.audit import AuditAction
from domain.errors import (
    AnonymousSession,
    BalanceLimit,
    Banned,
    BelowMinimum,
    ClientNotAllowed,
    DailyLimit,
    DomainError,
    Forbidden,
    IdempotencyKeyInProgress,
    IdempotencyKeyInvalid,
    IdempotencyKeyMissing,
    IdempotencyKeyReused,
    InsufficientFunds,
    InvalidAmount,
    LastAdmin,
    MfaRequired,
    NotFound,
    OwnPost,
    PostNotFound,
    PreconditionRequired,
    RateLimited,
    SessionRevoked,
    UserNotFound,
    VersionMismatch,
    WalletFrozen,
    WithdrawalAlreadySettled,
    WithdrawalNotFound,
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
    ADJUST_BALANCE = "vault.adjust_balance"
    REVERSE_TRANSACTION = "vault.reverse_transaction"
    READ_BOOKS = "vault.read_books"
    READ_APPROVALS = "vault.read_approvals"
    DECIDE_APPROVAL = "vault.decide_approval"
    READ_WITHDRAWALS = "vault.read_withdrawals"
    SETTLE_WITHDRAWAL = "vault.settle_withdrawal"


@dataclass(frozen=True, slots=True)
class Requirements:
    """What the deployment wants of a session: in the vault a second factor, unless it says otherwise.

    ``oauth_clients`` are the OAuth clients that it trusts with money and the vault; the app itself always is.
    """

    vault_assurance: Assurance = Assurance.AAL2
    oauth_clients: frozenset[str] = frozenset()


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


def _is_somebody_elses(actor: Actor, target: Target) -> bool:
    return target.user_id not in {None, actor.user_id}


SOMEBODY_ELSES_POST: Final = Rule("nobody decides on their own post", _is_somebody_elses, OwnPost)
NOT_ONESELF: Final = Rule("never oneself", _is_somebody_elses)
A_PLAIN_USER: Final = Rule("users only, no staff", lambda _, target: target.role is Role.USER)
SOMEBODY_ELSES_WALLET: Final = Rule(
    "nobody decides on their own wallet",
    _is_somebody_elses,
    detail="Nobody may decide on their own wallet; ask another admin.",
)
ANOTHER_ADMIN: Final = Rule(
    "neither one's own request nor one's own wallet",
    _is_somebody_elses,
    detail="Another admin decides on this.",
)
AN_ADMIN_STAYS: Final = Rule(
    "the last admin stays",
    lambda _, target: target.other_admins is not None and target.other_admins > 0,
    LastAdmin,
)


_KEYED: Final = (
    InvalidAmount,
    IdempotencyKeyMissing,
    IdempotencyKeyInvalid,
    IdempotencyKeyReused,
    IdempotencyKeyInProgress,
    RateLimited,
)


@dataclass(frozen=True, slots=True)
class Policy:
    """One row: who may do *action* to what, under which rules, and what else may be said to it.

    ``audited_as`` is its word in the audit log (None: not a vault's); ``errors`` are the answers beyond those that
    the row itself gives.
    """

    action: Action
    role: Role
    on: str
    rules: tuple[Rule, ...] = ()
    audited_as: AuditAction | None = None
    errors: tuple[type[DomainError], ...] = ()

    @property
    def of_vault(self) -> bool:
        """Whether it is one of the protected actions."""
        return self.audited_as is not None

    def refusal(self, actor: Actor, target: Target) -> DomainError | None:
        """The first rule's refusal; None if all of them hold."""
        return next((rule.refusal(rule.detail) for rule in self.rules if not rule.holds(actor, target)), None)


POLICIES: Final = (
    Policy(
        Action.TRANSFER,
        Role.USER,
        "own wallet",
        errors=(*_KEYED, UserNotFound, InsufficientFunds, BalanceLimit, DailyLimit, WalletFrozen),
    ),
    Policy(
        Action.WITHDRAW,
        Role.USER,
        "own wallet",
        errors=(*_KEYED, InsufficientFunds, BelowMinimum, DailyLimit, WalletFrozen),
    ),
    Policy(Action.READ_POSTS, Role.MODERATOR, "any post", (), AuditAction.POST_READ),
    Policy(
        Action.VALIDATE_POST,
        Role.MODERATOR,
        "a post",
        (SOMEBODY_ELSES_POST,),
        AuditAction.POST_VALIDATION_CHANGED,
        (PostNotFound, PreconditionRequired, VersionMismatch),
    ),
    Policy(
        Action.REOPEN_POST,
        Role.ADMIN,
        "a decided post",
        (SOMEBODY_ELSES_POST,),
        AuditAction.POST_VALIDATION_CHANGED,
        (PostNotFound, VersionMismatch),
    ),
    Policy(Action.READ_USERS, Role.MODERATOR, "any profile, role and ban", (), AuditAction.USER_READ),
    Policy(Action.READ_BALANCES, Role.ADMIN, "any balance", (), AuditAction.USER_READ),
    Policy(
        Action.CHANGE_ROLE,
        Role.ADMIN,
        "a user's role",
        (AN_ADMIN_STAYS, NOT_ONESELF),
        AuditAction.ROLE_CHANGED,
        (UserNotFound,),
    ),
    Policy(
        Action.BAN_USER, Role.MODERATOR, "a user", (A_PLAIN_USER,), AuditAction.USER_BANNED, (UserNotFound,)
    ),
    Policy(
        Action.BAN_USER,
        Role.ADMIN,
        "anyone",
        (AN_ADMIN_STAYS, NOT_ONESELF),
        AuditAction.USER_BANNED,
        (UserNotFound,),
    ),
    Policy(
        Action.LIFT_BAN, Role.MODERATOR, "a user", (A_PLAIN_USER,), AuditAction.BAN_LIFTED, (UserNotFound,)
    ),
    Policy(Action.LIFT_BAN, Role.ADMIN, "anyone", (NOT_ONESELF,), AuditAction.BAN_LIFTED, (UserNotFound,)),
    Policy(Action.READ_REWARD_RATES, Role.ADMIN, "all rates", (), AuditAction.REWARD_RATE_READ),
    Policy(
        Action.CHANGE_REWARD_RATE, Role.ADMIN, "a rate", (), AuditAction.REWARD_RATE_CHANGED, (InvalidAmount,)
    ),
    Policy(Action.READ_AUDIT_LOG, Role.ADMIN, "the audit log", (), AuditAction.AUDIT_LOG_READ),
    Policy(
        Action.ADJUST_BALANCE,
        Role.ADMIN,
        "somebody else's wallet",
        (SOMEBODY_ELSES_WALLET,),
        AuditAction.TRANSACTION_BOOKED,
        (*_KEYED, UserNotFound, InsufficientFunds, BalanceLimit),
    ),
    Policy(
        Action.REVERSE_TRANSACTION,
        Role.ADMIN,
        "an adjustment or a transfer of others",
        (SOMEBODY_ELSES_WALLET,),
        AuditAction.TRANSACTION_REVERSED,
        (NotFound, UserNotFound, InsufficientFunds, BalanceLimit),
    ),
    Policy(Action.READ_APPROVALS, Role.ADMIN, "what waits for a second admin", (), AuditAction.APPROVAL_READ),
    Policy(
        Action.DECIDE_APPROVAL,
        Role.ADMIN,
        "what another admin asked for",
        (ANOTHER_ADMIN,),
        AuditAction.APPROVAL_DECIDED,
        (
            *(NotFound, UserNotFound, InsufficientFunds),
            *(BalanceLimit, WithdrawalAlreadySettled),
        ),
    ),
    Policy(Action.READ_BOOKS, Role.ADMIN, "the books", (), AuditAction.BOOKS_READ),
    Policy(Action.READ_WITHDRAWALS, Role.ADMIN, "all withdrawals", (), AuditAction.WITHDRAWAL_READ),
    Policy(
        Action.SETTLE_WITHDRAWAL,
        Role.ADMIN,
        "somebody else's withdrawal",
        (SOMEBODY_ELSES_WALLET,),
        AuditAction.WITHDRAWAL_SETTLED,
        (WithdrawalNotFound, WithdrawalAlreadySettled, BalanceLimit),
    ),
)


@cache
def policies_of(action: Action, role: Role = Role.ADMIN) -> tuple[Policy, ...]:
    """The rows of *action* that somebody with *role* has, the row for the highest role last."""
    rows = (row for row in POLICIES if row.action is action and role.includes(row.role))
    return tuple(sorted(rows, key=lambda row: list(Role).index(row.role)))


@cache
def roles_for(action: Action) -> frozenset[Role]:
    """The roles of which some row allows *action*, rules aside."""
    return frozenset(role for role in Role if policies_of(action, role))


def error_codes(action: Action) -> tuple[str, ...]:
    """Every code that may answer *action*, beyond those of any request: what a route of it documents."""
    rows = policies_of(action)
    common = (SessionRevoked, Banned, AnonymousSession, ClientNotAllowed, Forbidden)
    vault = (MfaRequired,) if any(row.of_vault for row in rows) else ()
    rules = tuple(rule.refusal for row in rows for rule in row.rules)
    errors = tuple(error for row in rows for error in row.errors)
    return tuple(dict.fromkeys(error.code for error in (*common, *vault, *rules, *errors)))


def refusal(
    actor: Actor,
    action: Action,
    target: Target | None = None,
    *,
    requirements: Requirements = Requirements(),
) -> DomainError | None:
    """Why *actor* may not do *action* to *target*; None where a row allows it.

    Without a target only what does not depend on one is judged: enough for an early no, not for a yes where the
    action has rules. Of several rows the one for the highest role that the actor has gives the answer.
    """
    if unfit := _unfit(actor, requirements):
        return unfit
    rows = policies_of(action, actor.role)
    if not rows:
        return Forbidden()
    if rows[0].of_vault and not actor.principal.assurance.includes(requirements.vault_assurance):
        return MfaRequired()
    if target is None:
        return None
    refusals = [row.refusal(actor, target) for row in rows]
    return None if None in refusals else refusals[-1]


def _unfit(actor: Actor, requirements: Requirements) -> DomainError | None:
    """What stands against every action: a session that is over, a ban, an anonymous sign-in, a foreign client."""
    if actor.account_status in {AccountStatus.REVOKED, AccountStatus.DELETED}:
        return SessionRevoked()
    if actor.account_status is AccountStatus.BANNED:
        return Banned()
    if actor.principal.is_anonymous:
        return AnonymousSession()
    client = actor.principal.client_id
    return ClientNotAllowed() if client is not None and client not in requirements.oauth_clients else None


@cache
def audit_action(action: Action) -> AuditAction:
    """The word of a vault action in the audit log.

    Raises:
        LookupError: it is not one of the vault's.
    """
    for row in policies_of(action):
        if row.audited_as is not None:
            return row.audited_as
    raise LookupError(action)
