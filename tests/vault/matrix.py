"""Every case in which somebody may try a protected action. What is expected comes from the policy table alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from uuid import uuid4

from domain import policies
from domain.identity import AccountStatus, Actor, Assurance, Principal, Role
from domain.policies import Action, Requirements, refusal


class Target(StrEnum):
    """Whom an action is aimed at: a post of theirs, or their role or ban."""

    NOBODY = "nobody"
    ONESELF = "oneself"
    USER = "another user"
    MODERATOR = "another moderator"
    ADMIN = "another admin"


POSTS = (Target.ONESELF, Target.USER)
USERS = (Target.ONESELF, Target.USER, Target.MODERATOR, Target.ADMIN)
TARGETS = {
    Action.TRANSFER: (Target.USER,),
    Action.WITHDRAW: (Target.NOBODY,),
    Action.ADJUST_BALANCE: USERS,
    Action.REVERSE_TRANSACTION: (Target.ONESELF, Target.USER),
    Action.READ_BOOKS: (Target.NOBODY,),
    Action.READ_APPROVALS: (Target.NOBODY,),
    Action.DECIDE_APPROVAL: (Target.ONESELF, Target.USER),
    Action.READ_WITHDRAWALS: (Target.NOBODY,),
    Action.SETTLE_WITHDRAWAL: (Target.ONESELF, Target.USER),
    Action.READ_POSTS: (Target.NOBODY,),
    Action.VALIDATE_POST: POSTS,
    Action.REOPEN_POST: POSTS,
    Action.READ_USERS: USERS,
    Action.READ_BALANCES: USERS,
    Action.CHANGE_ROLE: USERS,
    Action.BAN_USER: USERS,
    Action.LIFT_BAN: USERS,
    Action.READ_REWARD_RATES: (Target.NOBODY,),
    Action.CHANGE_REWARD_RATE: (Target.NOBODY,),
    Action.READ_AUDIT_LOG: (Target.NOBODY,),
}
# What is asked before an action: a balance is part of a user.
FIRST = {Action.READ_BALANCES: Action.READ_USERS}
ROLE_OF_TARGET = {Target.USER: Role.USER, Target.MODERATOR: Role.MODERATOR, Target.ADMIN: Role.ADMIN}
# Deleted users are revoked ones to whoever asks: their sessions are gone too.
ACCOUNT_STATUSES = (AccountStatus.ACTIVE, AccountStatus.BANNED, AccountStatus.REVOKED)


@dataclass(frozen=True, slots=True)
class Case:
    """Who tries what on whom; ``strict``: the deployment wants a second factor in the vault."""

    action: Action
    role: Role
    account_status: AccountStatus
    anonymous: bool
    assurance: Assurance
    strict: bool
    target: Target

    @property
    def expected(self) -> str | None:
        """The code of the refusal that the table says; None where a row allows it."""
        me, somebody = uuid4(), uuid4()
        session = Principal(me, uuid4(), self.anonymous, self.assurance)
        role = self.role if self.target is Target.ONESELF else ROLE_OF_TARGET.get(self.target)
        target = policies.Target(me if self.target is Target.ONESELF else somebody, role, other_admins=5)
        needed = Assurance.AAL2 if self.strict else Assurance.AAL1
        actor = Actor(session, self.role, self.account_status)
        for action in (FIRST.get(self.action, self.action), self.action):
            if refused := refusal(actor, action, target, requirements=Requirements(needed)):
                return refused.code
        return None


def cases(action: Action) -> Iterator[Case]:
    """*action* in full: roles x account statuses x anonymous or not x assurance x whom it is aimed at."""
    for role in Role:
        for account_status in ACCOUNT_STATUSES:
            for anonymous in (False, True):
                for assurance, strict in (
                    (Assurance.AAL1, False),
                    (Assurance.AAL1, True),
                    (Assurance.AAL2, True),
                ):
                    for target in TARGETS[action]:
                        yield Case(action, role, account_status, anonymous, assurance, strict, target)
