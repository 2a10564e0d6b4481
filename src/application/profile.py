"""The caller's own account: found, made at the first request, and never made for somebody who is gone."""

from typing import Protocol
from uuid import UUID

from application.ports import Row
from domain.errors import Unavailable
from domain.identity import Principal


class Accounts(Protocol):
    """Profiles with their wallets."""

    async def find(self, user_id: UUID) -> Row | None:
        """Profile, ``balance`` and whether ``banned``; None without a profile, or for a deleted user. One round trip.

        Raises:
            Unavailable: the database does not answer.
        """
        ...

    async def open(self, principal: Principal) -> None:
        """Make the principal's profile (role ``user``) and empty wallet where they are missing.

        Safe to call by any number of first requests at once. Only display fields come from the token, and where the
        app's own constraints refuse them the account is made without.

        Raises:
            SessionRevoked: the session has ended, or its user is deleted; nothing was made.
            Unavailable: the database does not answer, or the app's tables take no account (the log names why).
        """
        ...


class ReadProfile:
    """Answers as the session's user: one round trip, three for a first-time caller."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    async def __call__(self, principal: Principal) -> Row:
        """The caller's account.

        Raises:
            SessionRevoked: the caller's user is deleted.
            Unavailable: the database does not answer.
        """
        account = await self._accounts.find(principal.user_id)
        if account is None:
            await self._accounts.open(principal)
            account = await self._accounts.find(principal.user_id)
        if account is None:
            raise Unavailable
        return account
