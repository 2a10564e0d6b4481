"""Users as the vault sees and changes them: profile, role, ban; for an admin also the balance."""

from dataclasses import dataclass, replace
from uuid import UUID

from application.database import Database, LockedUser, UserLock, WriteBatch
from application.ports import NewId
from application.transaction_context import NO_DETAILS, AuditContext, Tx, details
from application.transactions import Transactions, retry_conflicts
from domain.audit import AuditAction, AuditDetails, AuditEntry, RequestInfo
from domain.errors import DomainError, LastAdmin, UserNotFound
from domain.identity import Ban, Principal, Role, User
from domain.policies import Action, Target


@dataclass(frozen=True, slots=True)
class UserView:
    """A user, and whether the caller may see the balance."""

    user: User
    with_balance: bool


class ChangeUser:
    """Changes roles and bans; what is so already changes and records nothing.

    Raises:
        Unauthenticated, Forbidden: the caller may not.
        UserNotFound: there is no such profile, or its user is deleted.
        Unavailable: the database does not answer.
    """

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def role(self, principal: Principal, user_id: UUID, role: Role, request: RequestInfo) -> UserView:
        """The user after an admin changed somebody else's role; the last admin stays one."""
        audit = AuditContext(Action.CHANGE_ROLE, request, user_id, details(role=role))

        def decide(tx: Tx[LockedUser]) -> UserView:
            user = _required(tx)
            if user.role is not role:
                tx.writes.roles.append((user_id, role))
                tx.add_audit_entry(before=details(role=user.role), after=details(role=role))
            return _view(tx, replace(user, role=role))

        return await self._transactions.run(principal, audit, UserLock(user_id), decide)

    async def ban(self, principal: Principal, user_id: UUID, reason: str, request: RequestInfo) -> UserView:
        """The user after a moderator banned a plain user, or an admin anyone; another reason replaces the ban."""
        audit = AuditContext(Action.BAN_USER, request, user_id, reason=reason)

        def decide(tx: Tx[LockedUser]) -> UserView:
            user = _required(tx)
            if user.ban is not None and user.ban.reason == reason:
                return _view(tx, user)
            ban = Ban(user_id, reason, banned_by=tx.actor.user_id, banned_at=tx.now)
            tx.writes.bans.append(ban)
            tx.add_audit_entry(before=_details_of(user.ban), after=_details_of(ban))
            return _view(tx, replace(user, ban=ban))

        return await self._transactions.run(principal, audit, UserLock(user_id), decide)

    async def lift_ban(self, principal: Principal, user_id: UUID, request: RequestInfo) -> UserView:
        """The user after their ban was lifted by who may set one. One of Supabase Auth's is lifted there."""
        audit = AuditContext(Action.LIFT_BAN, request, user_id)

        def decide(tx: Tx[LockedUser]) -> UserView:
            user = _required(tx)
            if user.ban is not None:
                tx.writes.lifted_bans.append(user_id)
                tx.add_audit_entry(before=_details_of(user.ban), after=NO_DETAILS)
            return _view(tx, replace(user, ban=None))

        return await self._transactions.run(principal, audit, UserLock(user_id), decide)


def _required(tx: Tx[LockedUser]) -> User:
    """The locked user, to whom the caller may do it."""
    user = tx.locked.user
    tx.require(Target(user.id, user.role, tx.locked.other_admins))
    return user


def _view(tx: Tx[LockedUser], user: User) -> UserView:
    return UserView(user, tx.is_allowed(Action.READ_BALANCES))


def _details_of(ban: Ban | None) -> AuditDetails:
    return NO_DETAILS if ban is None else details(reason=ban.reason, banned_by=ban.banned_by)


@dataclass(frozen=True, slots=True)
class Granted:
    """Whose role it is, and which it was and is now."""

    user_id: UUID
    before: Role
    after: Role


class GrantRole:
    """How the first admin comes to be: an operator's act. No session stands behind it, and the audit log says so."""

    def __init__(self, database: Database, new_id: NewId) -> None:
        self._database = database
        self._new_id = new_id

    @retry_conflicts
    async def __call__(self, user_id: UUID, role: Role, *, operator: str) -> Granted:
        """Grant *role* in the name of *operator*; the role that they have already changes and records nothing.

        Raises:
            UserNotFound: there is no such account, or it was deleted.
            LastAdmin: nobody would be an admin any more.
            Unavailable: the database does not answer.
        """
        async with self._database.begin_as_operator(UserLock(user_id)) as transaction:
            locked = transaction.opened.locked
            if isinstance(locked, DomainError):
                raise UserNotFound
            before = locked.user.role
            if before is role:
                return Granted(user_id, before, role)
            if before is Role.ADMIN and not locked.other_admins:
                raise LastAdmin
            entry = AuditEntry(
                id=self._new_id(),
                actor_id=None,
                session_id=None,
                action=AuditAction.ROLE_CHANGED,
                target_id=user_id,
                before=details(role=before),
                after=details(role=role),
                reason=None,
                request=RequestInfo("lingualink grant-role", None),
                occurred_at=transaction.opened.now,
                operator=operator,
            )
            await transaction.commit(WriteBatch(roles=[(user_id, role)], audit=[entry]))
            return Granted(user_id, before, role)
