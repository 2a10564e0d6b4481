"""Money: every plain decimal is read exactly, and nothing else is read at all."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import BalanceLimit, InvalidAmount
from domain.money import LIMIT, PAYOUT_PLACES, ZERO, Money

LARGEST = 999_999_999_999
UNITS = st.integers(-LARGEST, LARGEST)
WRITTEN = re.compile(r"-?(0|[1-9][0-9]{0,7})\.[0-9]{2}([0-9]?[1-9])?")


def money(units: int) -> Money:
    return Money(Decimal(units).scaleb(-4))


@given(st.integers(1, LARGEST))
def test_what_is_written_is_read_back(units: int) -> None:
    assert Money.parse(str(money(units))) == money(units)


@given(UNITS, UNITS)
def test_sums_are_exact_or_refused(one: int, other: int) -> None:
    if abs(one + other) > LARGEST:
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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("12", "12.00"),
        ("12.5", "12.50"),
        ("0.01", "0.01"),
        ("0.005", "0.005"),
        ("0.0050", "0.005"),
        ("0.1000", "0.10"),
    ],
)
def test_it_says_two_places_and_no_zero_beyond(text: str, said: str) -> None:
    assert str(Money.parse(text)) == said


@given(UNITS)
def test_it_is_written_as_clients_are_told(units: int) -> None:
    assert WRITTEN.fullmatch(str(money(units)))
    assert Decimal(str(money(units))) == money(units).amount


@pytest.mark.parametrize("text", ["12.505", "0.0001", "1.000"])
def test_what_goes_to_a_bank_has_two_places(text: str) -> None:
    assert Money.parse(text) > ZERO
    with pytest.raises(InvalidAmount):
        Money.parse(text, places=PAYOUT_PLACES)


@pytest.mark.parametrize("text", ["0.00001", "1.00000", "100000000", "99999999.99990"])
def test_more_than_four_places_or_eight_digits_are_refused(text: str) -> None:
    with pytest.raises(InvalidAmount):
        Money.parse(text)


@pytest.mark.parametrize("amount", ["NaN", "sNaN", "Infinity", "0.00001", "1E-5"])
def test_what_is_no_exact_sum_is_a_mistake(amount: str) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        Money(Decimal(amount))


def test_equal_sums_are_equal_and_hash_alike() -> None:
    assert {Money(Decimal("1.5")), Money(Decimal("1.50"))} == {Money.parse("1.5")}
    assert Money.parse("1.5") != Decimal("1.5")
