"""The whole ledger in one read-only snapshot, through server-side cursors: memory stays flat at any size."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg

from application.wallet.reconcile_ledger import LedgerSnapshotFactory
from domain.reconciliation import Entry, Finding, Line
from infrastructure.postgres.engine import CONNECT_TIMEOUT_S, behind_transaction_pooler
from infrastructure.postgres.errors import domain_error

PREFETCH = 2000

_ENTRY = ("id", "user_id", "kind", "amount", "balance_after", "version", "counterparty_id", "reference_id")
# Every join is a look-up in a unique index, so that rows flow from the first moment.
_LINES = f"""
select {", ".join(f"t.{column}" for column in _ENTRY)}, w.balance, w.version as wallet_version,
       {", ".join(f"o.{column} as o_{column}" for column in _ENTRY)},
       d.amount as d_amount, d.status as d_status, d.transaction_id as d_transaction_id, r.amount as given_back
from public.wallet_transactions t
left join public.wallets w on w.user_id = t.user_id
left join lateral (
  select x.* from public.wallet_transactions x
  where t.kind in ('transfer_in', 'transfer_out') and x.reference_id = t.reference_id
    and x.kind = case t.kind when 'transfer_in' then 'transfer_out' else 'transfer_in' end
  union all
  select x.* from public.wallet_transactions x where t.kind = 'reversal' and x.id = t.reference_id
) o on true
left join public.wallet_withdrawals d on t.kind = 'withdrawal' and d.id = t.reference_id
left join public.wallet_transactions r
  on t.kind = 'withdrawal' and r.kind = 'reversal' and r.reference_id = t.id
order by t.user_id, t.version
"""  # noqa: S608 - our own column list
_STRAYS = """
select 'empty_ledger' as fault, w.user_id, w.user_id as subject_id,
       format('the wallet says %s at version %s, the ledger has no row', w.balance, w.version) as detail
from public.wallets w
where (w.balance <> 0 or w.version <> 0)
  and not exists (select from public.wallet_transactions t where t.user_id = w.user_id)
union all
select 'unheld_withdrawal', d.user_id, d.id, format('no transaction %s took its money', d.transaction_id)
from public.wallet_withdrawals d
where not exists (
  select from public.wallet_transactions t
  where t.id = d.transaction_id and t.reference_id = d.id and t.kind = 'withdrawal' and t.user_id = d.user_id
)
union all
select 'no_event', t.user_id, t.id, format('a %s that nobody is told of', t.kind)
from public.wallet_transactions t
where t.created_at > now() - $1::interval and t.kind <> 'opening'
  and not exists (
    select from private.realtime_outbox e
    where e.event = 'balance_updated' and (e.payload ->> 'transaction_id')::uuid = t.id
  )
"""


class PostgresLedgerSnapshot:
    """The port :class:`application.wallet.reconcile_ledger.LedgerSnapshot` inside one transaction."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    async def size(self) -> int:
        """See the port."""
        return int(await self._connection.fetchval("select count(*) from public.wallet_transactions"))

    async def lines(self) -> AsyncIterator[Line]:
        """See the port: one pass."""
        async for row in self._connection.cursor(_LINES, prefetch=PREFETCH):
            yield Line(
                row=_entry(row, ""),
                balance=row["balance"],
                wallet_version=row["wallet_version"],
                other=None if row["o_id"] is None else _entry(row, "o_"),
                withdrawal_amount=row["d_amount"],
                withdrawal_status=row["d_status"],
                withdrawal_transaction_id=row["d_transaction_id"],
                given_back=row["given_back"],
            )

    async def strays(self, events_kept: timedelta) -> AsyncIterator[Finding]:
        """See the port: one statement of three anti-joins."""
        async for row in self._connection.cursor(_STRAYS, events_kept, prefetch=PREFETCH):
            yield Finding(row["fault"], _plain(row["user_id"]), _plain(row["subject_id"]), row["detail"])


def _plain(value: UUID) -> UUID:
    return UUID(int=value.int)


def _entry(row: Any, prefix: str) -> Entry:
    return Entry(
        id=row[prefix + "id"],
        user_id=row[prefix + "user_id"],
        kind=row[prefix + "kind"],
        amount=row[prefix + "amount"],
        balance_after=row[prefix + "balance_after"],
        version=row[prefix + "version"],
        counterparty_id=row[prefix + "counterparty_id"],
        reference_id=row[prefix + "reference_id"],
    )


def ledger_snapshots(url: str, pooler: str) -> LedgerSnapshotFactory:
    """Snapshots on a connection of their own, which no limit of the service's role cuts off."""

    @asynccontextmanager
    async def open_snapshot() -> AsyncIterator[PostgresLedgerSnapshot]:
        options: dict[str, Any] = {"timeout": CONNECT_TIMEOUT_S}
        if behind_transaction_pooler(url, pooler):
            options["statement_cache_size"] = 0
        try:
            connection = await asyncpg.connect(url, **options)
        except Exception as error:
            raise domain_error(error) or error from error
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                await connection.execute("set local statement_timeout = 0")
                await connection.execute("set local idle_in_transaction_session_timeout = 0")
                yield PostgresLedgerSnapshot(connection)
        except Exception as error:
            raise domain_error(error) or error from error
        finally:
            await connection.close()

    return open_snapshot
