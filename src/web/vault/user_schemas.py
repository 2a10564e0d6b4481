"""What ``/vault/users`` takes and answers."""

from datetime import datetime
from typing import Self
from uuid import UUID

import msgspec

from application.vault.read_users import Shown
from domain.identity import Role
from domain.profile import Ban
from web.fields import MoneyText
from web.vault.schemas import ReasonField


class BanOut(msgspec.Struct):
    """Why a user is banned, by whom and since when."""

    reason: str
    banned_by: UUID
    banned_at: datetime

    @classmethod
    def of(cls, ban: Ban) -> Self:
        """The answer for *ban*."""
        return cls(ban.reason, ban.banned_by, ban.banned_at)


class UserOut(msgspec.Struct, omit_defaults=True):
    """A user as the vault sees them.

    ``banned`` without a ``ban`` means one of Supabase Auth's. ``balance`` and ``currency`` are there for admins only.
    """

    id: UUID
    username: str | None
    full_name: str | None
    avatar_url: str | None
    role: Role
    created_at: datetime
    banned: bool
    ban: BanOut | None
    balance: MoneyText | None = None
    currency: str | None = None

    @classmethod
    def of(cls, shown: Shown, currency: str) -> Self:
        """The answer for a user, with the balance where the caller may see it."""
        user = shown.user
        return cls(
            id=user.id,
            username=user.username,
            full_name=user.full_name,
            avatar_url=user.avatar_url,
            role=user.role,
            created_at=user.created_at,
            banned=user.banned,
            ban=None if user.ban is None else BanOut.of(user.ban),
            balance=str(user.balance) if shown.with_balance else None,
            currency=currency if shown.with_balance else None,
        )


class UserPageOut(msgspec.Struct):
    """Some users, newest first; ``next_cursor`` is null on the last page."""

    items: list[UserOut]
    next_cursor: str | None


class RoleIn(msgspec.Struct, forbid_unknown_fields=True):
    """The role that a user shall have."""

    role: Role


class BanIn(msgspec.Struct, forbid_unknown_fields=True):
    """Why a user shall be banned; staff see it."""

    reason: ReasonField
