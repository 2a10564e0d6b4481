"""Read users as the vault sees them: profile, role, ban; for an admin also the balance."""

from dataclasses import dataclass
from uuid import UUID

from application.vault.gate import Attempt, Gate
from application.vault.page import Page, page_of
from application.vault.ports import Position, UserFilter
from domain.audit import RequestInfo
from domain.errors import UserNotFound
from domain.identity import Principal
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
        self,
        session: Principal,
        wanted: UserFilter,
        origin: RequestInfo,
        *,
        after: Position | None,
        limit: int,
    ) -> Page[Shown]:
        """At most *limit* users; fewer where some of them are deleted, though more may follow.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            Unavailable: the database does not answer.
        """
        async with self._gate.reading(session, Attempt(Action.READ_USERS, origin)) as (reader, actor):
            found = await reader.users(wanted, after=after, limit=limit + 1)
        with_balance = self._gate.allows(actor, Action.READ_BALANCES)
        page = page_of(found, limit, lambda user: Position(user.created_at, user.id))
        # Left out here, not in the query: asking Supabase Auth's tables about every match would have no bound.
        shown = [Shown(user, with_balance) for user in page.items if not user.deleted]
        return Page(shown, page.next_after)


class ReadUser:
    """One user."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def __call__(self, session: Principal, user_id: UUID, origin: RequestInfo) -> Shown:
        """The user as they are now.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            UserNotFound: there is no such profile, or its user is deleted.
            Unavailable: the database does not answer.
        """
        attempt = Attempt(Action.READ_USERS, origin, user_id)
        async with self._gate.reading(session, attempt) as (reader, actor):
            user = await reader.user(user_id)
        if user is None or user.deleted:
            raise UserNotFound
        return Shown(user, self._gate.allows(actor, Action.READ_BALANCES))
