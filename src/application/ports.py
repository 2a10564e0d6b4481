"""Small things that use-cases and routes ask of the world, and the page of a list."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from domain.identity import Principal

T = TypeVar("T")
P = TypeVar("P")

NewId = Callable[[], UUID]
"""Makes an id that was never used before."""

Row = dict[str, Any]
"""A stored row as it goes to the wire: the API's names, money as text, words of a newer release as they are."""


class TokenVerifier(Protocol):
    """Tells a Supabase access token from anything else."""

    async def verify(self, token: str) -> Principal:
        """The session that *token* proves.

        Raises:
            ExpiredToken: it was good once.
            InvalidToken: it is anything else; the reason is logged and counted, never told.
            Unavailable: no signing key is known yet.
        """
        ...


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page ended: lists are ordered by time, then id, so rows that are added move no page."""

    at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class Page(Generic[T, P]):
    """Some items in the list's order, and where the next page goes on (None at the end)."""

    items: Sequence[T]
    next_after: P | None


@dataclass(frozen=True, slots=True)
class PageRequest(Generic[P]):
    """Which page of a list is wanted: at most ``limit`` items beyond ``after`` (None: from the beginning)."""

    limit: int
    after: P | None = None

    @property
    def read_limit(self) -> int:
        """How many are read: one more than are given, to see whether more follow."""
        return self.limit + 1

    def of(self, found: Sequence[T], position: Callable[[T], P]) -> Page[T, P]:
        """The page out of *found*, which was read as far as :attr:`read_limit`."""
        items = found[: self.limit]
        return Page(items, position(items[-1]) if len(found) > self.limit else None)


def position_of(row: Row) -> Position:
    """Where *row* stands in a list by ``created_at``."""
    return Position(row["created_at"], row["id"])
