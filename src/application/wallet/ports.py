"""What the wallet's reading use-cases ask of the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.wallet import Transaction, TransactionKind, Wallet
from domain.withdrawals import Withdrawal, WithdrawalStatus


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """Which transactions are wanted: of one kind, from ``since`` (inclusive) until ``until`` (exclusive), UTC."""

    kind: TransactionKind | None = None
    since: datetime | None = None
    until: datetime | None = None


class Wallets(Protocol):
    """Reading wallets and their history, one round trip each."""

    async def find(self, user_id: UUID) -> Wallet | None:
        """The wallet of *user_id*; None when there is none yet.

        Raises:
            Unavailable: the database does not answer.
        """
        ...

    async def history(
        self, user_id: UUID, wanted: TransactionFilter, *, before_version: int | None, limit: int
    ) -> Sequence[Transaction]:
        """At most *limit* transactions below *before_version*, newest first.

        Raises:
            Unavailable: the database does not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class WithdrawalPosition:
    """Where a page of withdrawals ended: they are ordered by time, then id."""

    created_at: datetime
    id: UUID


class Withdrawals(Protocol):
    """Reading a user's withdrawals, one round trip."""

    async def of_user(
        self,
        user_id: UUID,
        status: WithdrawalStatus | None,
        *,
        after: WithdrawalPosition | None,
        limit: int,
    ) -> Sequence[Withdrawal]:
        """At most *limit* withdrawals of *user_id* beyond *after*, newest first.

        Raises:
            Unavailable: the database does not answer.
        """
        ...
