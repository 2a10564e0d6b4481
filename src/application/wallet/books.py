"""Housekeeping of the books: days that are over are summed once, and the sum of all accounts is looked at."""

from decimal import Decimal
from typing import Final, Protocol

MAX_DAYS: Final = 100
"""How many days are summed in one run."""


class Books(Protocol):
    """The books of everybody.

    Raises:
        Unavailable: the database does not answer.
    """

    async def sum_day(self) -> bool:
        """Sum the first day that is over and not summed yet; whether there was one."""
        ...

    async def imbalance(self) -> Decimal:
        """What all accounts come to: zero."""
        ...


async def sum_days(books: Books) -> int:
    """Sum what is due, each day a transaction of its own; how many days. Any number of processes may do it at once."""
    days = 0
    while days < MAX_DAYS and await books.sum_day():
        days += 1
    return days
