"""Read the caller's balance and history."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.profile.ports import Accounts
from application.wallet.ports import TransactionFilter, Wallets
from domain.identity import Principal
from domain.wallet import Transaction, Wallet


class ReadWallet:
    """The caller's balance: one round trip, two for a first-time caller."""

    def __init__(self, accounts: Accounts, wallets: Wallets) -> None:
        self._accounts = accounts
        self._wallets = wallets

    async def __call__(self, session: Principal) -> Wallet:
        """The caller's wallet.

        Raises:
            Unavailable: the database does not answer.
        """
        wallet = await self._wallets.find(session.user_id)
        if wallet is None:
            await self._accounts.open(session)
            return Wallet(session.user_id)
        return wallet


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Some transactions, newest first, and the version before which the next page goes on (None at the end)."""

    transactions: Sequence[Transaction]
    next_before: int | None


class ReadTransactions:
    """The caller's own ledger: one round trip. Pages hang on the version, so new rows move nothing."""

    def __init__(self, accounts: Accounts, wallets: Wallets) -> None:
        self._accounts = accounts
        self._wallets = wallets

    async def __call__(
        self, session: Principal, wanted: TransactionFilter, *, before_version: int | None, limit: int
    ) -> HistoryPage:
        """At most *limit* transactions.

        Raises:
            Unavailable: the database does not answer.
        """
        found = await self._wallets.history(
            session.user_id, wanted, before_version=before_version, limit=limit + 1
        )
        if not found:
            await self._accounts.open(session)
        page = found[:limit]
        return HistoryPage(page, page[-1].version if len(found) > limit else None)
