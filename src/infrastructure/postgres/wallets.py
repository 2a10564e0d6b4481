"""Wallets as their owners read them: one prepared statement, one round trip each."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import asyncpg

from application.ports import Position, Row
from application.wallet.reading import TransactionFilter
from domain.errors import SessionRevoked
from domain.identity import Principal
from domain.money import money_text
from domain.withdrawals import WithdrawalStatus
from infrastructure.postgres.errors import acquire_connection
from infrastructure.postgres.mappers import wire_row
from infrastructure.postgres.queries import EPOCH, TRANSACTION_COLUMNS, WITHDRAWAL_COLUMNS
from infrastructure.postgres.shared_reads import SharedReads

# Each begins with whether the owner's user is deleted: a token outlives its user, their account does not. Materialized,
# so that it is asked once and not for every row.
_OWNED = """
with owner as materialized (select private.account_status($1, null) = 'deleted' as deleted)
select owner.deleted, found.* from owner left join lateral ({query}) found on true
"""
_WALLETS = f"""
select o.user_id, private.account_status(o.user_id, null) = 'deleted' as deleted, w.balance, w.version, {EPOCH}
from unnest($1::uuid[]) as o (user_id) left join public.wallets w on w.user_id = o.user_id
"""  # noqa: S608
_WALLET_AT = f"""
select private.account_status($1, null) = 'deleted' as deleted, $1::uuid as user_id,
       coalesce(t.balance_after, 0.0000) as balance, coalesce(t.version, 0) as version, {EPOCH}
from (select) one left join lateral (
  select balance_after, version from public.wallet_transactions
  where user_id = $1 and created_at <= $2
  order by version desc limit 1
) t on true
"""  # noqa: S608
_STATEMENT = f"""
select private.account_status($1, null) = 'deleted' as deleted, coalesce(o.balance_after, 0.0000) as opening, found.*
from (select) one left join lateral (
  select balance_after from public.wallet_transactions
  where user_id = $1 and created_at < $2
  order by version desc limit 1
) o on true left join lateral (
  select {TRANSACTION_COLUMNS} from public.wallet_transactions
  where user_id = $1 and created_at >= $2 and created_at < $3
  order by version limit $4
) found on true
"""  # noqa: S608
_TRANSACTIONS = _OWNED.format(
    query=f"""
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
)
_WITHDRAWALS = _OWNED.format(
    query=f"""
  select {WITHDRAWAL_COLUMNS}
  from public.wallet_withdrawals
  where user_id = $1
    and ($2::text is null or status = $2)
    and ($3::timestamptz is null or (created_at, id) < ($3, $4::uuid))
  order by created_at desc, id desc
  limit $5
"""  # noqa: S608 - our own column list
)


class PostgresWallets:
    """The port :class:`application.wallet.reading.Wallets` on the shared database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._found = SharedReads(self._find)

    async def wallet(self, principal: Principal) -> Row | None:
        """See the port."""
        row = await self._found.get(principal.user_id)
        if row is None or row["deleted"]:
            raise SessionRevoked
        if row["version"] is None:
            return None
        return {
            "user_id": principal.user_id,
            "balance": money_text(row["balance"]),
            "version": row["version"],
            "epoch": row["epoch"],
        }

    async def _find(self, user_ids: Sequence[UUID]) -> dict[UUID, asyncpg.Record]:
        async with acquire_connection(self._pool) as connection:
            return {row["user_id"]: row for row in await connection.fetch(_WALLETS, user_ids)}

    async def wallet_at(self, principal: Principal, at: datetime) -> Row:
        """See the port."""
        [wallet] = await self._owned(_WALLET_AT, ("balance",), principal, at)
        return wallet

    async def statement(
        self, principal: Principal, since: datetime, until: datetime, *, limit: int
    ) -> tuple[Decimal, Sequence[Row]]:
        """See the port."""
        async with acquire_connection(self._pool) as connection:
            rows = await connection.fetch(_STATEMENT, principal.user_id, since, until, limit)
        if rows[0]["deleted"]:
            raise SessionRevoked
        found = [wire_row(row, ("amount", "balance_after")) for row in rows if row["user_id"] is not None]
        for row in found:
            del row["deleted"], row["opening"]
        return rows[0]["opening"], found

    async def transactions(
        self, principal: Principal, wanted: TransactionFilter, *, before_version: int | None, limit: int
    ) -> Sequence[Row]:
        """See the port."""
        arguments = (before_version, wanted.kind, wanted.since, wanted.until, limit)
        return await self._owned(_TRANSACTIONS, ("amount", "balance_after"), principal, *arguments)

    async def withdrawals(
        self,
        principal: Principal,
        status: WithdrawalStatus | None,
        *,
        after: Position | None,
        limit: int,
    ) -> Sequence[Row]:
        """See the port."""
        at, last_id = (None, None) if after is None else (after.at, after.id)
        return await self._owned(_WITHDRAWALS, ("amount",), principal, status, at, last_id, limit)

    async def _owned(
        self, sql: str, money: tuple[str, ...], principal: Principal, *arguments: object
    ) -> list[Row]:
        async with acquire_connection(self._pool) as connection:
            rows = await connection.fetch(sql, principal.user_id, *arguments)
        if rows[0]["deleted"]:
            raise SessionRevoked
        found = [wire_row(row, money) for row in rows if row["user_id"] is not None]
        for row in found:
            del row["deleted"]
        return found
