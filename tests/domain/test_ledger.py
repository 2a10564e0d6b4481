"""The hash of a row: as the shared vectors have it, and different for every field."""

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from domain.ledger import GENESIS, hash_row
from domain.money import Money
from domain.wallet import TransactionKind

VECTORS = json.loads((Path(__file__).parents[2] / "docs" / "ledger-vectors.json").read_text())["rows"]
ROW: dict[str, Any] = {
    "id": UUID(int=1),
    "user_id": UUID(int=2),
    "kind": TransactionKind.TRANSFER_IN,
    "amount": Money(Decimal("1.5")),
    "balance_after": Money(Decimal("3.005")),
    "version": 7,
    "counterparty_id": UUID(int=3),
    "reference_id": UUID(int=4),
    "created_at": datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
}
OTHER: dict[str, Any] = {
    "id": UUID(int=9),
    "user_id": UUID(int=9),
    "kind": TransactionKind.TRANSFER_OUT,
    "amount": Money(Decimal("-1.5")),
    "balance_after": Money(Decimal("3.0051")),
    "version": 8,
    "created_at": ROW["created_at"] + timedelta(microseconds=1),
    "counterparty_id": None,
    "reference_id": None,
}


def row_of(written: dict[str, Any]) -> dict[str, Any]:
    def uuid(text: str | None) -> UUID | None:
        return None if text is None else UUID(text)

    return {
        "id": UUID(written["id"]),
        "user_id": UUID(written["user_id"]),
        "kind": written["kind"],
        "amount": Money(Decimal(written["amount"])),
        "balance_after": Money(Decimal(written["balance_after"])),
        "version": written["version"],
        "counterparty_id": uuid(written["counterparty_id"]),
        "reference_id": uuid(written["reference_id"]),
        "created_at": datetime.fromisoformat(written["created_at"]),
    }


def test_the_vectors_are_one_chain() -> None:
    previous = GENESIS
    for vector in VECTORS:
        assert bytes.fromhex(vector["hashed"]).startswith(previous)
        previous = hash_row(previous, **row_of(vector["row"]))
        assert previous.hex() == vector["hash"]


def test_the_vectors_have_every_kind() -> None:
    assert {vector["row"]["kind"] for vector in VECTORS} == set(TransactionKind)


@pytest.mark.parametrize("field", ROW)
def test_another_field_is_another_hash(field: str) -> None:
    assert hash_row(GENESIS, **{**ROW, field: OTHER[field]}) != hash_row(GENESIS, **ROW)


def test_another_row_before_is_another_hash() -> None:
    assert hash_row(bytes(31) + b"\x01", **ROW) != hash_row(GENESIS, **ROW)


def test_a_time_is_one_instant_in_whatever_zone_it_comes() -> None:
    kigali = ROW["created_at"].astimezone(timezone(timedelta(hours=2)))
    assert hash_row(GENESIS, **{**ROW, "created_at": kigali}) == hash_row(GENESIS, **ROW)
