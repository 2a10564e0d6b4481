"""What is compared and kept of keyed requests: these bytes outlive releases, so they are written down here."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from application.idempotency import StoredResponse, fingerprint
from application.ports import Position
from application.wallet.transfers import PostedTransaction
from domain.errors import InsufficientFunds, InvalidCursor
from domain.money import Money
from domain.wallet import Transaction, TransactionKind
from web.idempotency import _to_response
from web.pagination import Cursors

ID = "3f0c1f44-7a2b-4f60-9b61-0a3ce1a1d9aa"
BODY: dict[str, object] = {"recipient_id": ID, "amount": "12.5", "note": "for Élodie"}
DIGEST = "c69b7768a2b2d260b866e4a470e8bf20126960eae6a153c5f87a72ca7804365c"

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def digest(body: dict[str, object]) -> bytes:
    return fingerprint("POST", "/wallet/transfers", body)


def test_a_fingerprint_is_what_it_was_when_the_key_was_stored() -> None:
    assert digest(BODY).hex() == DIGEST


@pytest.mark.parametrize(
    "same",
    [
        b'{"amount":"12.5","note":"for \\u00c9lodie","recipient_id":"%b"}' % ID.encode(),
        b' { "recipient_id" : "%b",\n "amount" : "12.50", "note" : "for \xc3\x89lodie" } ' % ID.encode(),
        b'{"amount":"12.5000","note":"for \xc3\x89lodie","recipient_id":"%b","later":null}' % ID.encode(),
    ],
)
def test_spelling_order_and_what_is_null_do_not_matter(same: bytes) -> None:
    assert digest(json.decode(same)).hex() == DIGEST


@pytest.mark.parametrize(
    "other",
    [
        {**BODY, "amount": "12.51"},
        {**BODY, "amount": "1250"},
        {**BODY, "note": "for Elodie"},
        {**BODY, "note": ""},
        {name: BODY[name] for name in ("recipient_id", "amount")},
        {**BODY, "further": 0},
    ],
)
def test_another_request_has_another_fingerprint(other: dict[str, object]) -> None:
    assert digest(other).hex() != DIGEST


@given(st.dictionaries(st.text(), values, max_size=4))
def test_a_fingerprint_never_depends_on_the_order_of_members(body: dict[str, object]) -> None:
    assert digest(body) == digest(dict(reversed(body.items())))


def test_method_and_path_are_part_of_it() -> None:
    assert len({fingerprint(m, p, BODY) for m in ("POST", "PUT") for p in ("/a", "/b")}) == 4


def test_a_stored_result_is_what_went_over_the_wire() -> None:
    row = Transaction(
        id=UUID(ID),
        user_id=UUID(ID),
        kind=TransactionKind.TRANSFER_OUT,
        amount=Money(Decimal("-12.5")),
        balance_after=Money(Decimal("0.005")),
        version=3,
        created_at=datetime(2026, 1, 31, 12, 0, 0, 5, UTC),
        hash="ab" * 32,
        counterparty_id=UUID(ID),
        reference_id=UUID(ID),
        note=None,
    )

    stored = _to_response(PostedTransaction.of(row, epoch=1))

    assert stored.status == 201
    assert json.decode(stored.body) == {
        "transaction": {
            "id": ID,
            "user_id": ID,
            "kind": "transfer_out",
            "amount": "-12.50",
            "balance_after": "0.005",
            "version": 3,
            "counterparty_id": ID,
            "reference_id": ID,
            "note": None,
            "created_at": "2026-01-31T12:00:00.000005Z",
            "hash": "ab" * 32,
        },
        "balance": "0.005",
        "version": 3,
        "epoch": 1,
    }


def test_a_stored_refusal_is_a_problem_document_without_the_id_of_its_request() -> None:
    assert _to_response(InsufficientFunds()) == StoredResponse(
        409,
        '{"type":"https://lingualink.app/problems/insufficient_funds","title":"Insufficient funds","status":409,'
        '"detail":"The wallet does not hold that much.","code":"insufficient_funds"}',
    )


@pytest.mark.parametrize("older", [{"created_at": "2026-01-01T00:00:00Z", "id": ID}, 7, "x", None])
def test_a_cursor_of_another_releases_shape_is_an_invalid_one(older: object) -> None:
    cursors = Cursors("secret")
    cursor = cursors.write(older, of="list")

    with pytest.raises(InvalidCursor):
        cursors.read(cursor, Position, of="list")
