"""What ``/profile`` answers."""

from typing import Self
from uuid import UUID

import msgspec

from domain.identity import Role
from domain.profile import Account
from web.fields import MoneyText


class ProfileOut(msgspec.Struct):
    """The session's user, as the database has them."""

    id: UUID
    username: str | None
    full_name: str | None
    avatar_url: str | None
    role: Role
    balance: MoneyText
    currency: str
    banned: bool

    @classmethod
    def of(cls, account: Account, currency: str) -> Self:
        """The answer for *account*."""
        return cls(
            id=account.id,
            username=account.username,
            full_name=account.full_name,
            avatar_url=account.avatar_url,
            role=account.role,
            balance=str(account.balance),
            currency=currency,
            banned=account.banned,
        )
