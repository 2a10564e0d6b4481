"""The whole ledger in one read-only snapshot, through server-side cursors: memory stays flat at any size. And seals."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg

from application.wallet.reconcile_ledger import LedgerSnapshotFactory, Seal
from domain.ledger import GENESIS, HEAD_SIZE, seal_digest
from domain.reconciliation import Entry, Finding, Line
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import connected
from infrastructure.postgres.errors import domain_error
from infrastructure.postgres.ledger_strays import STRAYS, number_of

_ROW: Final = tuple(field for field in Entry.__dataclass_fields__)


def _told(time: str) -> str:
    """*time*, which is not null, as Python can hold it: beyond its years the last of them, or the first."""
    return f"greatest(least({time}, '9999-12-31 00:00:00+00'), '0001-01-02 00:00:00+00')"


def _columns(table: str, prefix: str = "") -> str:
    told = {"created_at": _told(f"{table}.created_at")}
    return ", ".join(f"{told.get(column, f'{table}.{column}')} as {prefix}{column}" for column in _ROW)


# $1 the time after which rows are read, or null. Every join is a look-up in an index, so that rows flow from the first
# moment. An audit row has the time of what it records, and its target: that is how it is found. What it says is read as
# text, whatever it is. A post that was opened again may be deleted by its author.
_LINES: Final = f"""
select {_columns("t")}, {_columns("o", "o_")}, {_columns("p", "p_")}, w.user_id is not null as has_wallet,
       d.amount as d_amount, d.transaction_id as d_transaction_id, e.accounts, e.amounts,
       t.kind in ('transfer_in', 'transfer_out', 'withdrawal')
       or t.kind = 'opening' and exists (
         select from private.openings g
         where g.transaction_id = t.id and g.user_id = t.user_id and g.balance = t.amount
       )
       or exists (
         select from private.audit_log a
         where a.occurred_at = t.created_at and a.refusal is null
           and t.id::text in (a.after ->> 'transaction_id', a.after ->> 'other_transaction_id')
           and coalesce(a.after ->> 'user_id', t.user_id::text) = t.user_id::text
           and coalesce(a.after ->> 'kind', t.kind) = t.kind
           and abs({number_of("(a.after ->> 'amount')")}) = abs(t.amount)
           and case
             when t.kind = 'earning' then a.action = 'post.validation_changed' and a.target_id = t.reference_id
             when t.kind <> 'reversal' then
               a.action = 'transaction.booked' and a.target_id = t.user_id
               or a.action = 'approval.decided' and a.after ->> 'user_id' is not null
             when o.kind = 'earning' then a.action = 'post.validation_changed' and a.target_id = o.reference_id
             when o.kind = 'withdrawal' then a.action = 'withdrawal.settled' and a.target_id = o.reference_id
             else a.action = 'transaction.reversed' and a.target_id::text = a.after ->> 'corrects'
           end
       ) as is_recorded,
       t.kind <> 'earning' or coalesce(
         (select x.author_id = t.user_id from private.posts x where x.id = t.reference_id),
         (select a.after ->> 'status' = 'pending' from private.audit_log a
          where a.target_id = t.reference_id and a.action = 'post.validation_changed' and a.refusal is null
          order by a.occurred_at desc, a.id desc limit 1),
         false
       ) as is_of_post
from public.wallet_transactions t
left join public.wallets w on w.user_id = t.user_id
left join public.wallet_transactions p
  on $1::timestamptz is not null and p.user_id = t.user_id and p.version = t.version - 1
left join lateral (
  select x.* from public.wallet_transactions x
  where t.kind in ('transfer_in', 'transfer_out') and x.reference_id = t.reference_id
    and x.kind = case t.kind when 'transfer_in' then 'transfer_out' else 'transfer_in' end
  union all
  select x.* from public.wallet_transactions x where t.kind = 'reversal' and x.id = t.reference_id
) o on true
left join lateral (
  select array_agg(x.account order by x.account) as accounts, array_agg(x.amount order by x.account) as amounts
  from private.ledger_entries x where x.reference_id = t.id
) e on true
left join public.wallet_withdrawals d on t.kind = 'withdrawal' and d.id = t.reference_id
where $1::timestamptz is null or t.created_at > $1
order by t.user_id, t.version
"""  # noqa: S608 - our own column list

_SEALS: Final = f"""
select id, {_told("sealed_until")} as sealed_until, digest,
       lag({_told("sealed_until")}) over (order by id) as previous_until
from private.ledger_seals order by id
"""  # noqa: S608 - our own text
# $1 after, or null; $2 not after: the newest row of each wallet, packed as a seal holds it.
_SEAL_HEADS: Final = """
select coalesce(string_agg(uuid_send(user_id) || int8send(version) || hash, '' order by user_id), '')
from (
  select distinct on (user_id) user_id, version, hash
  from public.wallet_transactions
  where ($1::timestamptz is null or created_at > $1) and created_at <= $2
  order by user_id, version desc
) heads
"""

PREFETCH = 2000
_GIVEN = """
with given as (select coalesce($1::timestamptz, '-infinity') as since, $2::interval as kept)
"""


class PostgresLedgerSnapshot:
    """The port :class:`application.wallet.reconcile_ledger.LedgerSnapshot` inside one transaction."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection

    async def size(self, since: Seal | None = None) -> int:
        """See the port."""
        counted = (
            "select count(*) from public.wallet_transactions where $1::timestamptz is null or created_at > $1"
        )
        return int(await self._connection.fetchval(counted, since and since.sealed_until))

    async def lines(self, since: Seal | None = None) -> AsyncIterator[Line]:
        """See the port: one pass."""
        cursor = self._connection.cursor(_LINES, since and since.sealed_until, prefetch=PREFETCH)
        async for row in cursor:
            yield Line(
                row=_entry(row, ""),
                has_wallet=row["has_wallet"],
                before=None if row["p_id"] is None else _entry(row, "p_"),
                other=None if row["o_id"] is None else _entry(row, "o_"),
                withdrawal_amount=row["d_amount"],
                withdrawal_transaction_id=row["d_transaction_id"],
                entries=tuple(zip(row["accounts"] or (), row["amounts"] or (), strict=True)),
                is_recorded=row["is_recorded"],
                is_of_post=row["is_of_post"],
            )

    async def strays(self, events_kept: timedelta, since: Seal | None = None) -> AsyncIterator[Finding]:
        """See the port: one statement for each sort."""
        given = (since and since.sealed_until, events_kept)
        for fault, query in STRAYS.items():
            async for row in self._connection.cursor(_GIVEN + query, *given, prefetch=PREFETCH):
                yield Finding(fault, row["user_id"], row["subject"], row["detail"])

    async def seals(self) -> Sequence[Seal]:
        """See the port."""
        return [Seal(**row) for row in await self._connection.fetch(_SEALS)]

    async def sealed_heads(self, seal: Seal) -> bytes:
        """See the port."""
        return bytes(
            await self._connection.fetchval("select heads from private.ledger_seals where id = $1", seal.id)
        )

    async def heads(self, seal: Seal) -> bytes:
        """See the port."""
        return bytes(await self._connection.fetchval(_SEAL_HEADS, seal.previous_until, seal.sealed_until))


def _entry(row: Any, prefix: str) -> Entry:
    return Entry(**{column: row[prefix + column] for column in _ROW})


def ledger_snapshots(address: DatabaseAddress) -> LedgerSnapshotFactory:
    """Snapshots on a connection of their own, which no limit of the service's role cuts off."""

    @asynccontextmanager
    async def open_snapshot() -> AsyncIterator[PostgresLedgerSnapshot]:
        async with (
            unlimited(address) as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            await connection.execute("set local statement_timeout = 0")
            await connection.execute("set local idle_in_transaction_session_timeout = 0")
            yield PostgresLedgerSnapshot(connection)

    return open_snapshot


@asynccontextmanager
async def unlimited(address: DatabaseAddress) -> AsyncIterator[Any]:
    """A connection of one's own, for what takes its time.

    Raises:
        Unavailable: the database does not answer.
    """
    try:
        async with connected(address) as connection:
            yield connection
    except Exception as error:
        raise domain_error(error) or error from error


BEHIND: Final = timedelta(minutes=1)
"""A seal ends so long ago that no transaction of then is still under way: those of the service take five seconds."""
_LOCK: Final = 6_117_005
_LAST: Final = """
select s.id, s.sealed_until, s.digest, clock_timestamp() - $1::interval as until
from (select) one left join (
  select id, sealed_until, digest from private.ledger_seals order by id desc limit 1
) s on true
"""
_TAKE: Final = """
insert into private.ledger_seals (sealed_until, heads, digest) values ($1, $2, $3) returning id
"""


@dataclass(frozen=True, slots=True)
class TakenSeal:
    """A seal as it is told: digests in hex, ``sealed_until`` in UTC; ``wallets`` moved since the seal ``previous``."""

    id: int
    sealed_until: datetime
    wallets: int
    digest: str
    previous: str


async def take_seal(connection: Any, behind: timedelta = BEHIND) -> TakenSeal:
    """Seal what moved since the last seal; one runner at a time. Its memory is 56 bytes a wallet that moved.

    Raises:
        asyncpg.PostgresError, OSError: the database did not answer or refused.
    """
    async with connection.transaction():
        await connection.execute("set local statement_timeout = 0")
        await connection.execute(f"select pg_advisory_xact_lock({_LOCK})")
        last = await connection.fetchrow(_LAST, behind)
        previous, until = last["digest"] or GENESIS, last["until"]
        heads = bytes(await connection.fetchval(_SEAL_HEADS, last["sealed_until"], until))
        digest = seal_digest(previous, until, heads)
        number = await connection.fetchval(_TAKE, until, heads, digest)
    return TakenSeal(number, until, len(heads) // HEAD_SIZE, digest.hex(), previous.hex())
