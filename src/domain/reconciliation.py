"""Proving a ledger: each row follows from the one before it, and from the rows and withdrawals that it names.

The rows come one at a time, ordered by user and version, each with what it names; nothing else is remembered.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from domain.errors import BalanceLimit
from domain.ledger import GENESIS, hash_row
from domain.money import Money
from domain.wallet import CORRECTABLE, TransactionKind, account_against

_PAIRS = {
    TransactionKind.TRANSFER_OUT.value: TransactionKind.TRANSFER_IN.value,
    TransactionKind.TRANSFER_IN.value: TransactionKind.TRANSFER_OUT.value,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not add up: a stable ``fault``, where it is, and what was found.

    ``subject_id`` is the row's id, or the name of what has none. ``user_id`` is None where no wallet is concerned.
    """

    fault: str
    user_id: UUID | None
    subject_id: UUID | str
    detail: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A ledger row as stored, unchecked: what is in the database may be anything that its types can hold."""

    id: UUID
    user_id: UUID
    kind: str
    amount: Decimal
    balance_after: Decimal
    version: int
    counterparty_id: UUID | None
    reference_id: UUID | None
    created_at: datetime
    hash: bytes


@dataclass(frozen=True, slots=True)
class Line:
    """A ledger row with all that it must agree with; None where there is no such thing.

    ``other`` is a transfer's other side, or the transaction that a reversal corrects. ``withdrawal_*`` is the
    withdrawal that a row of that kind names. ``entries`` are the accounts that stand against it, with amounts.
    ``is_recorded``: the audit log holds the decision behind it, or the openings the balance that was brought along;
    ``is_of_post``: an earning's post is the owner's, if it is still there. ``before`` is the wallet's row before it
    where that was not the last line.
    """

    row: Entry
    has_wallet: bool = True
    before: Entry | None = None
    entries: tuple[tuple[str, Decimal], ...] = ()
    is_recorded: bool = True
    is_of_post: bool = True
    other: Entry | None = None
    withdrawal_amount: Decimal | None = None
    withdrawal_transaction_id: UUID | None = None


class Proof:
    """Feeds on lines; what it yields does not add up. Its memory is one line."""

    def __init__(self) -> None:
        self._last: Line | None = None

    def line(self, line: Line) -> Iterator[Finding]:
        """What is wrong with *line*."""
        row, last = line.row, self._last
        same_wallet = last is not None and last.row.user_id == row.user_id
        if not same_wallet and not line.has_wallet:
            yield _finding("no_wallet", row, "the rows have no wallet")
        yield from _chain_findings(last.row if last and same_wallet else line.before, row)
        yield from _entry_findings(line)
        yield from _record_findings(line)
        yield from _kind_findings(line)
        self._last = line


def _finding(fault: str, row: Entry, detail: str) -> Finding:
    return Finding(fault, row.user_id, row.id, detail)


def _chain_findings(before: Entry | None, row: Entry) -> Iterator[Finding]:
    balance, version, digest = (
        (Decimal(0), 0, GENESIS) if before is None else (before.balance_after, before.version, before.hash)
    )
    if row.version != version + 1:
        yield _finding("version_gap", row, f"version {row.version} follows {version}")
    if balance + row.amount != row.balance_after:
        yield _finding("broken_chain", row, f"{balance} and {row.amount} make {row.balance_after}")
    if before is not None and row.created_at < before.created_at:
        yield _finding("time_runs_back", row, f"made {row.created_at}, the row before it {before.created_at}")
    if row.hash != _hash(row, digest):
        yield _finding("broken_hash", row, "its hash is not of this row and the row before it")


def _hash(row: Entry, previous: bytes) -> bytes | None:
    """What the row's hash should be; None where its sums are none that a wallet can hold."""
    try:
        amount, balance_after = Money(row.amount), Money(row.balance_after)
    except (ValueError, BalanceLimit):
        return None
    return hash_row(
        previous,
        id=row.id,
        user_id=row.user_id,
        kind=row.kind,
        amount=amount,
        balance_after=balance_after,
        version=row.version,
        counterparty_id=row.counterparty_id,
        reference_id=row.reference_id,
        created_at=row.created_at,
    )


def _entry_findings(line: Line) -> Iterator[Finding]:
    """Its other side: one entry of the same amount, where its kind says; none for a transfer."""
    row = line.row
    account = account_against(row.kind, None if line.other is None else line.other.kind)
    wanted = () if account is None else ((account.value, -row.amount),)
    if line.entries != wanted:
        yield _finding("unbalanced", row, f"{row.kind} of {row.amount} against {_words(line.entries)}")


def _words(entries: tuple[tuple[str, Decimal], ...]) -> str:
    return ", ".join(f"{account} {amount}" for account, amount in entries) or "nothing"


def _record_findings(line: Line) -> Iterator[Finding]:
    """Nobody makes money without a record of who decided it."""
    row = line.row
    if row.kind == TransactionKind.EARNING:
        if not (line.is_of_post and line.is_recorded):
            yield _finding("unearned", row, f"no post {row.reference_id} of this user was approved for it")
    elif row.kind == TransactionKind.OPENING:
        if row.version != 1:
            yield _finding("unopened", row, f"a balance that was brought along, at version {row.version}")
        if not line.is_recorded:
            yield _finding("unopened", row, f"nothing tells where {row.amount} was brought along from")
    elif not line.is_recorded:
        yield _finding("unbooked", row, f"the audit log knows of no {row.kind} of {row.amount}")


def _kind_findings(line: Line) -> Iterator[Finding]:
    kind = line.row.kind
    if kind in _PAIRS:
        yield from _transfer(line)
    elif kind == TransactionKind.WITHDRAWAL:
        yield from _withdrawal(line)
    elif kind == TransactionKind.REVERSAL:
        yield from _reversal(line)


def _transfer(line: Line) -> Iterator[Finding]:
    row, other = line.row, line.other
    if other is None:
        yield _finding("unpaired_transfer", row, f"{_PAIRS[row.kind]} is missing")
    elif row.amount + other.amount != 0:
        yield _finding("unbalanced_transfer", row, f"{row.amount} against {other.amount}")
    elif (row.counterparty_id, other.counterparty_id) != (other.user_id, row.user_id):
        yield _finding("crossed_transfer", row, f"the other side is {other.id}")


def _withdrawal(line: Line) -> Iterator[Finding]:
    row = line.row
    if (line.withdrawal_transaction_id, line.withdrawal_amount) != (row.id, -row.amount):
        yield _finding("no_withdrawal", row, f"no withdrawal {row.reference_id} of {-row.amount}")


def _reversal(line: Line) -> Iterator[Finding]:
    row, other = line.row, line.other
    if other is None or other.user_id != row.user_id:
        yield _finding("unfounded_reversal", row, f"no transaction {row.reference_id} of this wallet")
    elif not (row.amount.is_finite() and other.amount.is_normal()):
        yield _finding("wrong_reversal", row, f"{row.amount} corrects {other.amount}")
    elif other.kind == TransactionKind.EARNING:
        if not -other.amount <= row.amount < 0:
            yield _finding("wrong_reversal", row, f"{row.amount} takes back an earning of {other.amount}")
    elif other.kind == TransactionKind.WITHDRAWAL:
        if row.amount != -other.amount:
            yield _finding("wrong_reversal", row, f"{row.amount} gives back a withdrawal of {other.amount}")
    elif other.kind not in CORRECTABLE or not 0 < -row.amount / other.amount <= 1:
        yield _finding("wrong_reversal", row, f"{row.amount} corrects a {other.kind} of {other.amount}")
