"""Read the caller's own balance, history and withdrawals: one round trip each, two where there is nothing yet.

No rule is applied to them, so rows go to the wire as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from application.ports import Page, Position, Row, page_of, position_of
from application.profile.reading import Accounts
from domain.identity import Principal
from domain.wallet import TransactionKind
from domain.withdrawals import WithdrawalStatus


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """Which transactions are wanted: of one kind, from ``since`` (inclusive) until ``until`` (exclusive), UTC."""

    kind: TransactionKind | None = None
    since: datetime | None = None
    until: datetime | None = None


class Wallets(Protocol):
    """Wallets, as their owners read them.

    Raises:
        SessionRevoked: the owner's user is deleted.
        Unavailable: the database does not answer.
    """

    async def wallet(self, principal: Principal) -> Row | None:
        """``user_id``, ``balance``, ``version`` and ``epoch``; None when there is no wallet yet."""
        ...

    async def transactions(
        self, principal: Principal, wanted: TransactionFilter, *, before_version: int | None, limit: int
    ) -> Sequence[Row]:
        """At most *limit* ledger rows below *before_version*, newest first."""
        ...

    async def withdrawals(
        self,
        principal: Principal,
        status: WithdrawalStatus | None,
        *,
        after: Position | None,
        limit: int,
    ) -> Sequence[Row]:
        """At most *limit* withdrawals beyond *after*, newest first."""
        ...


class ReadWallet:
    """What is the caller's own; a first-time caller gets an account."""

    def __init__(self, accounts: Accounts, wallets: Wallets) -> None:
        self._accounts = accounts
        self._wallets = wallets

    async def balance(self, principal: Principal) -> Row:
        """``user_id``, ``balance``, ``version`` and ``epoch``.

        Raises:
            SessionRevoked, Unavailable: see :class:`Wallets`.
        """
        wallet = await self._wallets.wallet(principal)
        if wallet is None:
            await self._accounts.open(principal)
            wallet = await self._wallets.wallet(principal)
        if wallet is None:
            raise RuntimeError("an account that was just made has no wallet")
        return wallet

    async def transactions(
        self, principal: Principal, wanted: TransactionFilter, *, before_version: int | None, limit: int
    ) -> Page[Row, int]:
        """At most *limit* ledger rows, newest first. Pages hang on the version, so new rows move nothing.

        Raises:
            SessionRevoked, Unavailable: see :class:`Wallets`.
        """
        found = await self._wallets.transactions(
            principal, wanted, before_version=before_version, limit=limit + 1
        )
        if not found:
            await self._accounts.open(principal)
        return page_of(found, limit, lambda row: int(row["version"]))

    async def withdrawals(
        self,
        principal: Principal,
        status: WithdrawalStatus | None,
        *,
        after: Position | None,
        limit: int,
    ) -> Page[Row, Position]:
        """At most *limit* withdrawals, newest first.

        Raises:
            SessionRevoked, Unavailable: see :class:`Wallets`.
        """
        found = await self._wallets.withdrawals(principal, status, after=after, limit=limit + 1)
        if not found:
            await self._accounts.open(principal)
        return page_of(found, limit, position_of)
