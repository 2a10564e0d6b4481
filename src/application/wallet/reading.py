"""Read the caller's own balance, history and withdrawals: one round trip each, two where there is nothing yet.

No rule is applied to them, so rows go to the wire as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol

from application.ports import Page, PageRequest, Position, Row, position_of
from application.profile import Accounts
from domain.errors import InvalidInput
from domain.identity import Principal
from domain.money import NOTHING, money_text
from domain.wallet import TransactionKind
from domain.withdrawals import WithdrawalStatus


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """Which transactions are wanted: of one kind, from ``since`` (inclusive) until ``until`` (exclusive), UTC."""

    kind: TransactionKind | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """A wallet between two times (UTC): ``since`` inclusive, ``until`` exclusive; rows oldest first, money as text."""

    since: datetime
    until: datetime
    opening_balance: str
    closing_balance: str
    totals: Mapping[str, str]
    transactions: Sequence[Row]


STATEMENT_ROWS: Final = 10_000
"""How many rows a statement has at most."""


class Wallets(Protocol):
    """Wallets, as their owners read them.

    Raises:
        SessionRevoked: the owner's user is deleted.
        Unavailable: the database does not answer.
    """

    async def wallet(self, principal: Principal) -> Row | None:
        """``user_id``, ``balance``, ``version`` and ``epoch``; None when there is no wallet yet."""
        ...

    async def wallet_at(self, principal: Principal, at: datetime) -> Row:
        """The same as it was at *at*, from the rows alone; empty where there was none."""
        ...

    async def statement(
        self, principal: Principal, since: datetime, until: datetime, *, limit: int
    ) -> tuple[Decimal, Sequence[Row]]:
        """The balance at *since*, and at most *limit* rows from then until *until*, oldest first."""
        ...

    async def transactions(
        self, principal: Principal, wanted: TransactionFilter, page: PageRequest[int]
    ) -> tuple[Sequence[Row], int | None]:
        """The ledger rows of *page*, and one more if more follow; newest first. Their place is their version.

        Of a kind that is rare there may be fewer: then with where to go on, for only so many rows are looked at.
        """
        ...

    async def withdrawals(
        self, principal: Principal, status: WithdrawalStatus | None, page: PageRequest[Position]
    ) -> Sequence[Row]:
        """The withdrawals of *page*, and one more if more follow; newest first."""
        ...


class ReadWallet:
    """What is the caller's own; a first-time caller gets an account."""

    def __init__(self, accounts: Accounts, wallets: Wallets) -> None:
        self._accounts = accounts
        self._wallets = wallets

    async def balance(self, principal: Principal, at: datetime | None = None) -> Row:
        """``user_id``, ``balance``, ``version`` and ``epoch``.

        Raises:
            SessionRevoked, Unavailable: see :class:`Wallets`.
        """
        if at is not None:
            return await self._wallets.wallet_at(principal, at)
        wallet = await self._wallets.wallet(principal)
        if wallet is None:
            await self._accounts.open(principal)
            wallet = await self._wallets.wallet(principal)
        if wallet is None:
            raise RuntimeError("an account that was just made has no wallet")
        return wallet

    async def transactions(
        self, principal: Principal, wanted: TransactionFilter, page: PageRequest[int]
    ) -> Page[Row, int]:
        """The ledger rows, newest first. Pages hang on the version, so new rows move nothing.

        A page of one kind may have fewer rows, and none, though more may follow.

        Raises:
            SessionRevoked, Unavailable: see :class:`Wallets`.
        """
        found, goes_on = await self._wallets.transactions(principal, wanted, page)
        if not found:
            await self._accounts.open(principal)
        answer = page.of(found, lambda row: int(row["version"]))
        return answer if len(found) > page.limit else Page(answer.items, goes_on)

    async def statement(self, principal: Principal, since: datetime, until: datetime) -> Statement:
        """The balance at *since* (UTC), what moved it until *until*, and what it came to.

        Raises:
            InvalidInput: the times are in no order, or more rows are between them than a statement has.
            SessionRevoked, Unavailable: see :class:`Wallets`.
        """
        if since >= until:
            raise InvalidInput("A statement ends after it begins.")
        opening, rows = await self._wallets.statement(principal, since, until, limit=STATEMENT_ROWS + 1)
        if len(rows) > STATEMENT_ROWS:
            raise InvalidInput(f"A statement has at most {STATEMENT_ROWS} rows; ask for a shorter time.")
        totals: dict[str, Decimal] = {}
        for row in rows:
            totals[row["kind"]] = totals.get(row["kind"], NOTHING) + Decimal(row["amount"])
        return Statement(
            since,
            until,
            opening_balance=money_text(opening + NOTHING),
            closing_balance=rows[-1]["balance_after"] if rows else money_text(opening + NOTHING),
            totals={kind: money_text(amount + NOTHING) for kind, amount in sorted(totals.items())},
            transactions=rows,
        )

    async def withdrawals(
        self, principal: Principal, status: WithdrawalStatus | None, page: PageRequest[Position]
    ) -> Page[Row, Position]:
        """The withdrawals, newest first.

        Raises:
            SessionRevoked, Unavailable: see :class:`Wallets`.
        """
        found = await self._wallets.withdrawals(principal, status, page)
        if not found:
            await self._accounts.open(principal)
        return page.of(found, position_of)
