"""What the wallet's reading use-cases ask of the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.wallet import Transaction, TransactionKind, Wallet


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
