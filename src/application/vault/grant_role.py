"""How the first admin comes to be: an operator with access to the database grants a role."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from application.ports import NewId
from application.unit_of_work import UnitOfWorkFactory, retry_conflicts
from application.vault.gate import facts
from domain.audit import AuditAction, AuditEntry, RequestInfo
from domain.errors import LastAdmin
from domain.identity import Role


class Directory(Protocol):
    """All accounts, as an operator finds them."""

    async def operator(self) -> str:
        """The name of the database role that the operator came with."""
        ...

    async def find(self, who: UUID | str) -> UUID:
        """The account with this id or e-mail address, in any case; it has a profile and a wallet afterwards.

        Raises:
            UserNotFound: there is none, or it was deleted.
            Unavailable: the database does not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class Granted:
    """Whose role it is, and which it was and is now."""

    user_id: UUID
    before: Role
    after: Role


class GrantRole:
    """An operator's act. No session stands behind it, and the audit log says so."""

    def __init__(self, units: UnitOfWorkFactory, directory: Directory, new_id: NewId) -> None:
        self._units = units
        self._directory = directory
        self._new_id = new_id

    @retry_conflicts
    async def __call__(self, who: UUID | str, role: Role) -> Granted:
        """Grant *role*; the role that they have already changes and records nothing.

        Raises:
            UserNotFound: there is no such account, or it was deleted.
            LastAdmin: nobody would be an admin any more.
            Unavailable: the database does not answer.
        """
        user_id = await self._directory.find(who)
        operator = await self._directory.operator()
        async with self._units() as uow:
            await uow.lock_staff()
            case = await uow.lock_user(user_id)
            before = case.user.role
            if before is role:
                return Granted(user_id, before, role)
            if before is Role.ADMIN and not case.other_admins:
                raise LastAdmin
            uow.save_role(user_id, role)
            uow.record(
                AuditEntry(
                    id=self._new_id(),
                    actor_id=None,
                    session_id=None,
                    action=AuditAction.ROLE_CHANGED,
                    target_id=user_id,
                    before=facts(role=before),
                    after=facts(role=role),
                    reason=None,
                    origin=RequestInfo("lingualink grant-role", None),
                    occurred_at=case.now,
                    operator=operator,
                )
            )
            await uow.commit()
            return Granted(user_id, before, role)
