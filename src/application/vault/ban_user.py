"""Ban a user, and lift a ban. Banned users read and receive, and do nothing else."""

from dataclasses import replace
from uuid import UUID

from application.unit_of_work import Entry, Lock, UnitOfWork, UnitOfWorkFactory, UserCase, retry_conflicts
from application.vault.gate import NOTHING, Attempt, Gate, facts
from application.vault.read_users import Shown
from domain.audit import Facts, RequestInfo
from domain.identity import Principal
from domain.policies import Action, Target
from domain.profile import Ban


class BanUser:
    """A moderator bans a plain user, an admin anyone but themself."""

    def __init__(self, units: UnitOfWorkFactory, gate: Gate) -> None:
        self._units = units
        self._gate = gate

    @retry_conflicts
    async def __call__(self, session: Principal, user_id: UUID, reason: str, origin: RequestInfo) -> Shown:
        """The user after it; the same ban again changes and records nothing, another reason replaces it.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            UserNotFound: there is no such profile, or its user is deleted.
            Unavailable: the database does not answer.
        """
        attempt = Attempt(Action.BAN_USER, origin, user_id, reason=reason)
        async with self._units() as uow:
            entry, case = await _locked(uow, session, attempt, user_id, self._gate)
            with_balance = self._gate.allows(entry.actor, Action.READ_BALANCES)
            if case.user.ban is not None and case.user.ban.reason == reason:
                return Shown(case.user, with_balance)
            ban = Ban(user_id, reason, banned_by=entry.actor.user_id, banned_at=case.now)
            uow.save_ban(ban)
            before, after = _facts_of(case.user.ban), _facts_of(ban)
            self._gate.record(uow, entry, attempt, before=before, after=after, at=case.now)
            await uow.commit()
            return Shown(replace(case.user, ban=ban), with_balance)


class LiftBan:
    """Whoever may ban a user may lift the ban. A ban of Supabase Auth's own is lifted there."""

    def __init__(self, units: UnitOfWorkFactory, gate: Gate) -> None:
        self._units = units
        self._gate = gate

    @retry_conflicts
    async def __call__(self, session: Principal, user_id: UUID, origin: RequestInfo) -> Shown:
        """The user after it; without a ban nothing changes and nothing is recorded.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            UserNotFound: there is no such profile, or its user is deleted.
            Unavailable: the database does not answer.
        """
        attempt = Attempt(Action.LIFT_BAN, origin, user_id)
        async with self._units() as uow:
            entry, case = await _locked(uow, session, attempt, user_id, self._gate)
            with_balance = self._gate.allows(entry.actor, Action.READ_BALANCES)
            if case.user.ban is None:
                return Shown(case.user, with_balance)
            uow.lift_ban(user_id)
            before = _facts_of(case.user.ban)
            self._gate.record(uow, entry, attempt, before=before, after=NOTHING, at=case.now)
            await uow.commit()
            return Shown(replace(case.user, ban=None), with_balance)


async def _locked(
    uow: UnitOfWork, session: Principal, attempt: Attempt, user_id: UUID, gate: Gate
) -> tuple[Entry, UserCase]:
    """Enter, and lock the user whom the caller may do it to."""
    entry = await uow.enter(session, lock=Lock.STAFF)
    await gate.admit(uow, entry, attempt)
    case = await uow.lock_user(user_id)
    await gate.admit(uow, entry, attempt, Target(user_id, case.user.role, case.other_admins))
    return entry, case


def _facts_of(ban: Ban | None) -> Facts:
    return NOTHING if ban is None else facts(reason=ban.reason, banned_by=ban.banned_by)
