"""Who is asking: what a token proves (Principal), and what the database knows of them (Actor)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Self
from uuid import UUID

from domain.money import Money


class _Scale(StrEnum):
    """Words in their order: each has all that the ones before it have."""

    def includes(self, other: Self) -> bool:
        """Whether this is *other* or above it."""
        order = list(type(self))
        return order.index(self) >= order.index(other)


class Role(_Scale):
    """What a profile may do; each role may do all that the ones before it may."""

    USER = "user"
    MODERATOR = "moderator"
    ADMIN = "admin"


class Assurance(_Scale):
    """How surely Supabase Auth knows the user: ``aal2`` takes a second factor."""

    AAL1 = "aal1"
    AAL2 = "aal2"
    AAL3 = "aal3"


@dataclass(frozen=True, slots=True)
class DisplayFields:
    """What a new profile is filled with. Its owner chose it: it is shown, and decides nothing."""

    username: str | None = None
    full_name: str | None = None
    avatar_url: str | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """A signed-in Supabase user, as proven by a verified access token and by nothing else."""

    user_id: UUID
    session_id: UUID
    is_anonymous: bool = False
    assurance: Assurance = Assurance.AAL1
    client_id: str | None = None
    """The OAuth client that acts for the user; None when it is the user's own app."""
    display: DisplayFields = DisplayFields()


class AccountStatus(StrEnum):
    """Whether a session, or a user, may still act, as the database says at this moment."""

    ACTIVE = "active"
    BANNED = "banned"
    REVOKED = "revoked"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Actor:
    """A principal together with the role and account status that were read in the same transaction."""

    principal: Principal
    role: Role
    account_status: AccountStatus

    @property
    def user_id(self) -> UUID:
        """The caller's id."""
        return self.principal.user_id


@dataclass(frozen=True, slots=True)
class Ban:
    """A ban of ours: its user reads and receives, and does nothing else. ``banned_at`` is UTC."""

    user_id: UUID
    reason: str
    banned_by: UUID
    banned_at: datetime


@dataclass(frozen=True, slots=True)
class User:
    """A user as the vault sees them: profile, role, bans (ours, and Supabase Auth's own), the wallet's balance.

    ``deleted``: the profile outlived its account in Supabase Auth.
    """

    id: UUID
    username: str | None
    full_name: str | None
    avatar_url: str | None
    role: Role
    created_at: datetime
    ban: Ban | None
    banned_by_auth: bool
    balance: Money
    deleted: bool = False

    @property
    def banned(self) -> bool:
        """Whether either ban is in force."""
        return self.ban is not None or self.banned_by_auth
