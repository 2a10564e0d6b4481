"""Every situation in which somebody may try a protected action. What is expected comes from the policy table alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from uuid import uuid4

from domain.identity import AccountStatus, Actor, Assurance, Principal, Role
from domain.policies import Action, Requirements, Target, refusal


class Aim(StrEnum):
    """Whom an action is aimed at: a post of theirs, or their role or ban."""

    NOBODY = "nobody"
    ONESELF = "oneself"
    USER = "another user"
    MODERATOR = "another moderator"
    ADMIN = "another admin"


POSTS = (Aim.ONESELF, Aim.USER)
USERS = (Aim.ONESELF, Aim.USER, Aim.MODERATOR, Aim.ADMIN)
AIMS = {
    Action.TRANSFER: (Aim.USER,),
    Action.WITHDRAW: (Aim.NOBODY,),
    Action.ADJUST_BALANCE: USERS,
    Action.REVERSE_TRANSACTION: (Aim.ONESELF, Aim.USER),
    Action.READ_BOOKS: (Aim.NOBODY,),
    Action.READ_APPROVALS: (Aim.NOBODY,),
    Action.DECIDE_APPROVAL: (Aim.ONESELF, Aim.USER),
    Action.READ_WITHDRAWALS: (Aim.NOBODY,),
    Action.SETTLE_WITHDRAWAL: (Aim.ONESELF, Aim.USER),
    Action.READ_POSTS: (Aim.NOBODY,),
    Action.VALIDATE_POST: POSTS,
    Action.REOPEN_POST: POSTS,
    Action.READ_USERS: USERS,
    Action.READ_BALANCES: USERS,
    Action.CHANGE_ROLE: USERS,
    Action.BAN_USER: USERS,
    Action.LIFT_BAN: USERS,
    Action.READ_REWARD_RATES: (Aim.NOBODY,),
    Action.CHANGE_REWARD_RATE: (Aim.NOBODY,),
    Action.READ_AUDIT_LOG: (Aim.NOBODY,),
}
# What is asked before an action: a balance is part of a user.
FIRST = {Action.READ_BALANCES: Action.READ_USERS}
ROLE_OF_AIM = {Aim.USER: Role.USER, Aim.MODERATOR: Role.MODERATOR, Aim.ADMIN: Role.ADMIN}
# Deleted users are revoked ones to whoever asks: their sessions are gone too.
ACCOUNT_STATUSES = (AccountStatus.ACTIVE, AccountStatus.BANNED, AccountStatus.REVOKED)


@dataclass(frozen=True, slots=True)
class Situation:
    """Who tries what on whom; ``strict``: the deployment wants a second factor in the vault."""

    action: Action
    role: Role
    account_status: AccountStatus
    anonymous: bool
    assurance: Assurance
    strict: bool
    aim: Aim

    @property
    def expected(self) -> str | None:
        """The code of the refusal that the table says; None where a row allows it."""
        me, somebody = uuid4(), uuid4()
        session = Principal(me, uuid4(), self.anonymous, self.assurance)
        role = self.role if self.aim is Aim.ONESELF else ROLE_OF_AIM.get(self.aim)
        target = Target(me if self.aim is Aim.ONESELF else somebody, role, other_admins=5)
        needed = Assurance.AAL2 if self.strict else Assurance.AAL1
        actor = Actor(session, self.role, self.account_status)
        for action in (FIRST.get(self.action, self.action), self.action):
            if refused := refusal(actor, action, target, requirements=Requirements(needed)):
                return refused.code
        return None


def situations(action: Action) -> Iterator[Situation]:
    """*action* in full: roles x account statuses x anonymous or not x assurance x whom it is aimed at."""
    for role in Role:
        for account_status in ACCOUNT_STATUSES:
            for anonymous in (False, True):
                for assurance, strict in (
                    (Assurance.AAL1, False),
                    (Assurance.AAL1, True),
                    (Assurance.AAL2, True),
                ):
                    for aim in AIMS[action]:
                        yield Situation(action, role, account_status, anonymous, assurance, strict, aim)
