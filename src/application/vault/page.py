"""One page of a list."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from application.vault.ports import Position

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items in the list's order, and where the next page goes on (None at the end)."""

    items: Sequence[T]
    next_after: Position | None


def page_of(found: Sequence[T], limit: int, position: Callable[[T], Position]) -> Page[T]:
    """The first *limit* of *found*, which was read one longer to see whether more follow."""
    items = found[:limit]
    return Page(items, position(items[-1]) if len(found) > limit else None)
