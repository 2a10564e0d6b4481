"""The suite's parts: they name files that are there, and tests that share something expensive are in one."""

import pytest

from support.dealing import FIRST, TOGETHER, dealt_as, place_in_line
from support.documents import ROOT


@pytest.mark.parametrize("part", sorted({*TOGETHER, *FIRST}))
def test_a_part_names_what_is_there(part: str) -> None:
    assert [path for path in part.split() if not (ROOT / path).exists()] == []
    assert dealt_as(part.split(maxsplit=1)[0]) == part


def test_what_shares_something_is_one_part() -> None:
    parts = {dealt_as(f"tests/vault/{name}.py") for name in ("test_routes", "test_matrix_over_http")}

    assert parts == {"tests/vault/"}
    assert dealt_as("tests/wallet/test_races.py") == "tests/wallet/test_races.py"


def test_the_longest_is_dealt_first_and_what_is_not_named_last() -> None:
    places = [place_in_line(part.split()[0] + "x.py" * part.endswith("/")) for part in FIRST]

    assert places == list(range(len(FIRST)))
    assert place_in_line("tests/domain/test_money.py") == len(FIRST)
