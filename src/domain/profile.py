"""A user's profile, which holds the role, and what stands beside it."""

from dataclasses import dataclass
from uuid import UUID

from domain.identity import Role
from domain.money import Money


@dataclass(frozen=True, slots=True)
class Account:
    """A profile with its wallet's balance, and whether the user is banned."""

    id: UUID
    username: str | None
    full_name: str | None
    avatar_url: str | None
    role: Role
    balance: Money
    banned: bool
