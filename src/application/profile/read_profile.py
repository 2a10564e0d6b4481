"""Read the caller's own account; the first reading makes it."""

from application.profile.ports import Accounts
from domain.errors import Unavailable
from domain.identity import Principal
from domain.profile import Account


class ReadProfile:
    """Answers as the session's user: one round trip, three for a first-time caller."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def __call__(self, session: Principal) -> Account:
        """The caller's account.

        Raises:
            Unavailable: the database does not answer.
        """
        account = await self._accounts.find(session.user_id)
        if account is None:
            await self._accounts.open(session)
            account = await self._accounts.find(session.user_id)
        if account is None:
            raise Unavailable
        return account
