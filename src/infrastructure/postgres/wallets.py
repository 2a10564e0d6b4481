"""Reading wallets and their history, as hot paths need it: one prepared statement, one round trip."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from application.wallet.ports import TransactionFilter
from domain.money import Money
from domain.wallet import Transaction, Wallet
from infrastructure.postgres.leases import leased
from infrastructure.postgres.rows import TRANSACTION_COLUMNS, transaction_of

_FIND = "select balance, version from public.wallets where user_id = $1"
_HISTORY = f"""
select {TRANSACTION_COLUMNS}
from public.wallet_transactions
where user_id = $1
  and ($2::bigint is null or version < $2)
  and ($3::text is null or kind = $3)
  and ($4::timestamptz is null or created_at >= $4)
  and ($5::timestamptz is null or created_at < $5)
order by version desc
limit $6
"""  # noqa: S608 - our own column list


class PostgresWallets:
    """The port :class:`application.wallet.ports.Wallets` on the shared database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def find(self, user_id: UUID) -> Wallet | None:
        """See the port."""
        async with leased(self._pool) as connection:
            row = await connection.fetchrow(_FIND, user_id)
        return None if row is None else Wallet(user_id, Money(row["balance"]), row["version"])

    async def history(
        self, user_id: UUID, wanted: TransactionFilter, *, before_version: int | None, limit: int
    ) -> Sequence[Transaction]:
        """See the port."""
        async with leased(self._pool) as connection:
            rows = await connection.fetch(
                _HISTORY, user_id, before_version, wanted.kind, wanted.since, wanted.until, limit
            )
        return [transaction_of(row) for row in rows]
