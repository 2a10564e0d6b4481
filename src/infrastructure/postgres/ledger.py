"""The whole ledger in one read-only snapshot, through server-side cursors: memory stays flat at any size. And seals."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from application.wallet.reconcile_ledger import LedgerSnapshotFactory, Seal
from domain.ledger import GENESIS, HEAD_SIZE, seal_digest
from domain.reconciliation import Entry, Finding, Line
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import connect
from infrastructure.postgres.errors import domain_error
from infrastructure.postgres.ledger_queries import LINES, ROW, SEAL_HEADS, SEALS
from infrastructure.postgres.ledger_strays import STRAYS

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
        cursor = self._connection.cursor(LINES, since and since.sealed_until, prefetch=PREFETCH)
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
                subject = row["subject"]
                yield Finding(
                    fault,
                    None if row["user_id"] is None else _plain(row["user_id"]),
                    _plain(subject) if isinstance(subject, UUID) else subject,
                    row["detail"],
                )

    async def seals(self) -> Sequence[Seal]:
        """See the port."""
        rows = await self._connection.fetch(SEALS)
        return [Seal(row["id"], row["sealed_until"], row["digest"], row["previous_until"]) for row in rows]

    async def sealed_heads(self, seal: Seal) -> bytes:
        """See the port."""
        return bytes(
            await self._connection.fetchval("select heads from private.ledger_seals where id = $1", seal.id)
        )

    async def heads(self, seal: Seal) -> bytes:
        """See the port."""
        return bytes(await self._connection.fetchval(SEAL_HEADS, seal.previous_until, seal.sealed_until))


def _plain(value: UUID) -> UUID:
    return UUID(int=value.int)


def _entry(row: Any, prefix: str) -> Entry:
    return Entry(**{column: row[prefix + column] for column in ROW})


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
        connection = await connect(address)
    except Exception as error:
        raise domain_error(error) or error from error
    try:
        yield connection
    except Exception as error:
        raise domain_error(error) or error from error
    finally:
        await connection.close()


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
        heads = bytes(await connection.fetchval(SEAL_HEADS, last["sealed_until"], until))
        digest = seal_digest(previous, until, heads)
        number = await connection.fetchval(_TAKE, until, heads, digest)
    return TakenSeal(number, until, len(heads) // HEAD_SIZE, digest.hex(), previous.hex())
