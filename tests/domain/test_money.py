"""Money: every plain decimal is read exactly, and nothing else is read at all."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BalanceLimit, InvalidAmount
from domain.money import LIMIT, ZERO, Money

CENTS = st.integers(-9_999_999_999, 9_999_999_999)


def money(cents: int) -> Money:
    return Money(Decimal(cents).scaleb(-2))


@given(st.integers(1, 9_999_999_999))
def test_what_is_written_is_read_back(cents: int) -> None:
    assert Money.parse(str(money(cents))) == money(cents)


@given(CENTS, CENTS)
def test_sums_are_exact_or_refused(one: int, other: int) -> None:
    if abs(one + other) > 9_999_999_999:
        with pytest.raises(BalanceLimit):
            money(one) + money(other)
    else:
        assert money(one) + money(other) == money(one + other)
        assert money(one + other) - money(other) == money(one)


@given(st.text())
def test_nothing_but_a_plain_decimal_above_zero_is_read(text: str) -> None:
    try:
        read = Money.parse(text)
    except InvalidAmount:
        return
    assert text.isascii()
    assert ZERO < read <= LIMIT
    assert Decimal(text) == read.amount


@pytest.mark.parametrize(("text", "said"), [("12", "12.00"), ("12.5", "12.50"), ("0.01", "0.01")])
def test_it_always_says_two_places(text: str, said: str) -> None:
    assert str(Money.parse(text)) == said


@pytest.mark.parametrize("amount", ["NaN", "sNaN", "Infinity", "0.001", "1E-3"])
def test_what_is_no_exact_sum_is_a_mistake(amount: str) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        Money(Decimal(amount))


def test_equal_sums_are_equal_and_hash_alike() -> None:
    assert {Money(Decimal("1.5")), Money(Decimal("1.50"))} == {Money.parse("1.5")}
    assert Money.parse("1.5") != Decimal("1.5")
