"""Make somebody a user, a moderator or an admin."""

from dataclasses import replace
from uuid import UUID

from application.unit_of_work import Lock, UnitOfWorkFactory, retry_conflicts
from application.vault.gate import Attempt, Gate, facts
from application.vault.read_users import Shown
from domain.audit import RequestInfo
from domain.identity import Principal, Role
from domain.policies import Action, Target


class ChangeRole:
    """An admin changes somebody else's role; the last admin stays one."""

    def __init__(self, units: UnitOfWorkFactory, gate: Gate) -> None:
        self._units = units
        self._gate = gate

    @retry_conflicts
    async def __call__(self, session: Principal, user_id: UUID, role: Role, origin: RequestInfo) -> Shown:
        """The user after it; the role that they have already changes and records nothing.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            UserNotFound: there is no such profile, or its user is deleted.
            Unavailable: the database does not answer.
        """
        attempt = Attempt(Action.CHANGE_ROLE, origin, user_id, asked=facts(role=role))
        async with self._units() as uow:
            entry = await uow.enter(session, lock=Lock.STAFF)
            await self._gate.admit(uow, entry, attempt)
            case = await uow.lock_user(user_id)
            await self._gate.admit(uow, entry, attempt, Target(user_id, case.user.role, case.other_admins))
            shown = Shown(replace(case.user, role=role), self._gate.allows(entry.actor, Action.READ_BALANCES))
            if case.user.role is role:
                return shown
            uow.save_role(user_id, role)
            self._gate.record(
                uow, entry, attempt, before=facts(role=case.user.role), after=facts(role=role), at=case.now
            )
            await uow.commit()
            return shown
