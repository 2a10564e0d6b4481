"""Money: exact, two decimals, bounded. It comes and goes as text, never as a float."""

import re
from decimal import Decimal
from functools import total_ordering
from typing import Final, Self

from domain.errors import BalanceLimit, InvalidAmount

_AMOUNT: Final = re.compile(r"(0|[1-9][0-9]{0,7})(\.[0-9]{1,2})?", re.ASCII)
_PLACES: Final = Decimal("0.01")
_LIMIT: Final = Decimal("99999999.99")


@total_ordering
class Money:
    """A signed sum in the deployment's one currency, between -99999999.99 and 99999999.99.

    Immutable and hashable; its text always has two places.
    """

    __slots__ = ("_amount",)
    _amount: Decimal

    def __init__(self, amount: Decimal) -> None:
        """Take an exact *amount*, as the database or the domain has it.

        Raises:
            BalanceLimit: it is out of range.
            ValueError: it has more than two decimals, or is no number.
        """
        if not amount.is_finite() or amount != amount.quantize(_PLACES):
            raise ValueError(f"not an exact sum of money: {amount}")
        if abs(amount) > _LIMIT:
            raise BalanceLimit
        self._amount = amount.quantize(_PLACES)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an amount as a client writes it: ``12``, ``12.5`` or ``12.50``, above zero.

        Raises:
            InvalidAmount: any other spelling. Nothing is ever rounded.
        """
        money = cls.parse_rate(text)
        if money == ZERO:
            raise InvalidAmount
        return money

    @classmethod
    def parse_rate(cls, text: str) -> Self:
        """Read an amount that may be zero.

        Raises:
            InvalidAmount: any other spelling than that of :meth:`parse`.
        """
        if not _AMOUNT.fullmatch(text):
            raise InvalidAmount
        return cls(Decimal(text))

    @property
    def amount(self) -> Decimal:
        """The exact decimal, with two places."""
        return self._amount

    def __add__(self, other: "Money") -> "Money":
        return Money(self._amount + other._amount)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self._amount - other._amount)

    def __neg__(self) -> "Money":
        return Money(-self._amount)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and self._amount == other._amount

    def __lt__(self, other: "Money") -> bool:
        return self._amount < other._amount

    def __hash__(self) -> int:
        return hash(self._amount)

    def __str__(self) -> str:
        return str(self._amount)

    def __repr__(self) -> str:
        return f"Money({self._amount})"


ZERO: Final = Money(Decimal(0))
LIMIT: Final = Money(_LIMIT)
