"""A statement as it is answered: JSON, or CSV for a spreadsheet."""

import csv
import io
from datetime import datetime
from typing import Any, Final, cast
from uuid import UUID

import msgspec
from litestar import Response

from application.wallet.reading import Statement
from domain.wallet import TransactionKind
from web.bodies import HashText, MoneyText, TotalText

_COLUMNS: Final = (
    *("created_at", "kind", "amount", "balance_after", "counterparty_id", "reference_id", "note"),
    *("version", "id", "hash"),
)
# What a spreadsheet would take for a formula.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class TransactionOut(msgspec.Struct):
    """One immutable ledger row; ``hash`` covers it and all rows before it (docs/wallet.md)."""

    id: UUID
    user_id: UUID
    kind: TransactionKind
    amount: MoneyText
    balance_after: MoneyText
    version: int
    counterparty_id: UUID | None
    reference_id: UUID | None
    note: str | None
    created_at: datetime
    hash: HashText


class StatementOut(msgspec.Struct):
    """A wallet from ``from`` until before ``until``; ``totals`` are by kind, rows oldest first."""

    user_id: UUID
    currency: str
    since: datetime = msgspec.field(name="from")
    until: datetime
    opening_balance: MoneyText
    closing_balance: MoneyText
    totals: dict[str, TotalText]
    items: list[TransactionOut]


def to_statement(found: Statement, user_id: UUID, currency: str) -> dict[str, Any]:
    """*found* in the shape of :class:`StatementOut`."""
    return {
        "user_id": user_id,
        "currency": currency,
        "from": found.since,
        "until": found.until,
        "opening_balance": found.opening_balance,
        "closing_balance": found.closing_balance,
        "totals": found.totals,
        "items": found.transactions,
    }


def csv_response(found: Statement) -> Response[StatementOut]:
    """*found* as RFC 4180 has it: a header, CRLF, and a byte order mark, without which spreadsheets guess the charset.

    The first and the last row are the balances at the two times. A note can't become a formula.
    """
    text = io.StringIO(newline="")
    text.write("\ufeff")
    table = csv.writer(text)  # its defaults are RFC 4180's
    table.writerow(_COLUMNS)
    table.writerow([_time(found.since), "opening_balance", "", found.opening_balance, *[""] * 6])
    for row in found.transactions:
        cells = {**row, "created_at": _time(row["created_at"]), "note": _text_cell(row["note"])}
        table.writerow([cells[column] for column in _COLUMNS])
    table.writerow([_time(found.until), "closing_balance", "", found.closing_balance, *[""] * 6])
    headers = {"Vary": "Accept", "Content-Disposition": 'attachment; filename="statement.csv"'}
    return Response(cast("StatementOut", text.getvalue().encode()), media_type="text/csv", headers=headers)


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _text_cell(text: str | None) -> str:
    """Text that no spreadsheet evaluates."""
    if text is None:
        return ""
    return f"'{text}" if text.startswith(_FORMULA) else text
