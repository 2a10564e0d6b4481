"""A user's profile, which holds the role, and what stands beside it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.identity import Role
from domain.money import Money


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
