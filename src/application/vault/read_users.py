"""Read users as the vault sees them: profile, role, ban; for an admin also the balance."""

from dataclasses import dataclass
from uuid import UUID

from application.vault.gate import Attempt, Gate
from application.vault.page import Page, page_of
from application.vault.ports import Position, UserFilter
from domain.audit import Origin
from domain.errors import UserNotFound
from domain.identity import Session
from domain.policies import Action
from domain.profile import User


@dataclass(frozen=True, slots=True)
class Shown:
    """A user, and whether the caller may see the balance."""

    user: User
    with_balance: bool


class ListUsers:
    """The users, newest first."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def __call__(
        self, session: Session, wanted: UserFilter, origin: Origin, *, after: Position | None, limit: int
    ) -> Page[Shown]:
        """At most *limit* users.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            Unavailable: the database does not answer.
        """
        async with self._gate.reading(session, Attempt(Action.READ_USERS, origin)) as (reader, actor):
            found = await reader.users(wanted, after=after, limit=limit + 1)
        with_balance = self._gate.allows(actor, Action.READ_BALANCES)
        shown = [Shown(user, with_balance) for user in found]
        return page_of(shown, limit, lambda each: Position(each.user.created_at, each.user.id))


class ReadUser:
    """One user."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def __call__(self, session: Session, user_id: UUID, origin: Origin) -> Shown:
        """The user as they are now.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            UserNotFound: there is no such profile, or its user is deleted.
            Unavailable: the database does not answer.
        """
        attempt = Attempt(Action.READ_USERS, origin, user_id)
        async with self._gate.reading(session, attempt) as (reader, actor):
            user = await reader.user(user_id)
        if user is None:
            raise UserNotFound
        return Shown(user, self._gate.allows(actor, Action.READ_BALANCES))
