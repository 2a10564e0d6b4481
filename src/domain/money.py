"""Money: exact, four decimals, bounded. It comes and goes as text, never as a float."""

import re
from decimal import Decimal
from functools import total_ordering
from typing import Final, Self

from domain.errors import BalanceLimit, InvalidAmount

PLACES: Final = 4
"""How many decimals a sum has inside; rates of pay go below a cent."""
PAYOUT_PLACES: Final = 2
"""How many decimals a sum has that leaves for a bank, which knows no more."""

_AMOUNT: Final = re.compile(r"(0|[1-9][0-9]{0,7})(?:\.([0-9]{1,4}))?", re.ASCII)
_UNIT: Final = Decimal(1).scaleb(-PLACES)
_LIMIT: Final = Decimal("99999999.9999")
NOTHING: Final = Decimal(0).quantize(_UNIT)
"""No money, with all its places."""


@total_ordering
class Money:
    """A signed sum in the deployment's one currency, between -99999999.9999 and 99999999.9999.

    Immutable and hashable. Its text has at least two places, and no zero beyond the second: ``12.50``, ``0.005``.
    """

    __slots__ = ("amount",)
    amount: Final[Decimal]
    """The exact decimal, with four places."""

    def __init__(self, amount: Decimal) -> None:
        """Take an exact *amount*, as the database or the domain has it.

        Raises:
            BalanceLimit: it is out of range.
            ValueError: it has more than four decimals, or is no number.
        """
        exact = amount.quantize(_UNIT) if amount.is_finite() else None
        if exact is None or exact != amount:
            raise ValueError(f"not an exact sum of money: {amount}")
        if abs(exact) > _LIMIT:
            raise BalanceLimit
        self.amount = exact or NOTHING  # zero has no sign

    @classmethod
    def parse(cls, text: str, *, places: int = PLACES, or_zero: bool = False) -> Self:
        """Read an amount as a client writes it: ``12``, ``12.5`` or ``0.005``, above zero *or_zero*.

        Raises:
            InvalidAmount: any other spelling, or more than *places* decimals. Nothing is ever rounded.
        """
        written = _AMOUNT.fullmatch(text)
        if written is None or len(written[2] or "") > places:
            raise InvalidAmount
        amount = Decimal(text)
        if not (amount or or_zero):
            raise InvalidAmount
        return cls(amount)

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount + other.amount)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount - other.amount)

    def __neg__(self) -> "Money":
        return Money(-self.amount)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and self.amount == other.amount

    def __lt__(self, other: "Money") -> bool:
        return self.amount < other.amount

    def __hash__(self) -> int:
        return hash(self.amount)

    def __str__(self) -> str:
        return shortened(f"{self.amount:f}")

    def __repr__(self) -> str:
        return f"Money({self})"


def money_text(amount: Decimal) -> str:
    """A sum as it goes out, from a decimal with exactly four places, as ``numeric(12,4)`` has."""
    return shortened(f"{amount:f}")


def shortened(text: str) -> str:
    """A decimal with exactly four places as it goes out: no zero beyond the second."""
    return text[:-2] + text[-2:].rstrip("0")


ZERO: Final = Money(Decimal(0))
LIMIT: Final = Money(_LIMIT)
