"""What the profile use-cases read and write."""

from typing import Protocol
from uuid import UUID

from domain.identity import Principal
from domain.profile import Account


class Accounts(Protocol):
    """Profiles with their wallets."""

    async def find(self, user_id: UUID) -> Account | None:
        """The account of *user_id*; None when it has no profile yet. One round trip.

        Raises:
            Unavailable: the database does not answer.
        """
        ...

    async def open(self, session: Principal) -> None:
        """Make the session's profile (role ``user``) and empty wallet where they are missing.

        Safe to call by any number of first requests at once. Only display fields come from the session.

        Raises:
            Unavailable: the database does not answer.
        """
        ...
