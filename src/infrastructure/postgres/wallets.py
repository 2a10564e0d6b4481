"""Wallets as their owners read them: one prepared statement, one round trip each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final
from uuid import UUID

import asyncpg

from application.ports import PageRequest, Position, Row
from application.wallet.reading import TransactionFilter
from domain.errors import SessionRevoked
from domain.identity import Principal
from domain.money import money_text, shortened
from domain.withdrawals import WithdrawalStatus
from infrastructure.postgres.mappers import wire_row
from infrastructure.postgres.pool import Pool, acquire_connection
from infrastructure.postgres.queries import EPOCH, WITHDRAWAL_COLUMNS
from infrastructure.postgres.shared_reads import SharedReads
from infrastructure.postgres.wallet_times import LAST_VERSION, NEWEST, STATEMENT, VERSIONS, WALLET_AT

FIRST_TIME: Final = datetime.min.replace(tzinfo=UTC)
LAST_TIME: Final = datetime.max.replace(tzinfo=UTC)
LAST_ID: Final = UUID(int=2**128 - 1)

# Each begins with whether the owner's user is deleted: a token outlives its user, their account does not. Materialized,
# so that it is asked once and not for every row.
#
# Rows of a wallet are a range of pairs (user, version), not of versions where the user is equal: of those the planner
# expects as many as an average wallet has, and it would read and sort a wallet of a million whole for its newest row.
_OWNED = """
with owner as materialized (select private.account_status($1, null) = 'deleted' as deleted)
select owner.deleted, found.* from owner left join lateral ({query}) found on true
"""
_WALLETS = f"""
select o.user_id, private.account_status(o.user_id, null) = 'deleted' as deleted, w.balance, w.version, {EPOCH}
from unnest($1::uuid[]) as o (user_id) left join public.wallets w on w.user_id = o.user_id
"""  # noqa: S608


LOOKED_AT: Final = 2_000
"""How many rows a page of one kind looks at: an index would make each row of the ledger longer by a fifth."""
# Pages of several wallets: arrays of owners $1, versions below which a page begins $2 and above which it ends $3, kinds
# $4, lengths $5. Of a kind it ends sooner, where it has looked at enough: versions have no gaps. What only goes to the
# wire is text already: no object is made of it to be written down again.
_TRANSACTIONS = f"""
with page as materialized (
  select p.user_id, p.below, p.kind, p.length, p.number, private.account_status(user_id, null) = 'deleted' as deleted,
         case when p.kind is null then p.above else greatest(p.above, least(p.below - 1, coalesce((
           {NEWEST.format(owner="p.user_id")}
         ), 0)) - {LOOKED_AT}) end as above
  from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::int[])
    with ordinality as p (user_id, below, above, kind, length, number)
)
select page.number, page.deleted, page.above, t.id::text, t.kind, t.amount::text, t.balance_after::text, t.version,
       t.created_at, t.counterparty_id::text, t.reference_id::text, t.note, t.hash
from page left join lateral (
  select * from public.wallet_transactions
  where (user_id, version) < (page.user_id, page.below) and (user_id, version) > (page.user_id, page.above)
    and (page.kind is null or kind = page.kind)
  order by user_id desc, version desc
  limit page.length
) t on true
"""  # noqa: S608 - a number of ours
_WITHDRAWALS = _OWNED.format(
    query=f"""
  select {WITHDRAWAL_COLUMNS}
  from public.wallet_withdrawals
  where user_id = $1
    and ($2::text is null or status = $2)
    and (created_at, id) < ($3, $4::uuid)
  order by created_at desc, id desc
  limit $5
"""  # noqa: S608 - our own column list
)


PAGES: Final = 8
"""Pages of one statement: they are long, and the event loop reads them at one go."""


@dataclass(frozen=True, slots=True)
class _Page:
    """Whose transactions are asked for, and which of them: versions between two, which are none of them, of a kind."""

    user_id: UUID
    below: int
    above: int
    kind: str | None
    length: int


async def _read_wallets(connection: Any, user_ids: Sequence[UUID]) -> dict[UUID, asyncpg.Record]:
    return {row["user_id"]: row for row in await connection.fetch(_WALLETS, user_ids)}


async def _read_pages(connection: Any, pages: Sequence[_Page]) -> dict[_Page, tuple[list[Row], int]]:
    """The pages of those who are not deleted, as they go to the wire, and above which version each has looked."""
    columns = (
        [page.user_id for page in pages],
        [page.below for page in pages],
        [page.above for page in pages],
        [page.kind for page in pages],
        [page.length for page in pages],
    )
    owners = [str(page.user_id) for page in pages]
    items: list[tuple[list[Row], int] | None] = [None] * len(pages)
    for row in await connection.fetch(_TRANSACTIONS, *columns):
        (
            number,
            deleted,
            above,
            own_id,
            kind,
            amount,
            balance,
            version,
            at,
            counterparty_id,
            reference_id,
            note,
            digest,
        ) = row
        if deleted:
            continue
        page = items[number - 1]
        if page is None:
            page = items[number - 1] = ([], above)
        if version is not None:
            page[0].append(
                {
                    "id": own_id,
                    "user_id": owners[number - 1],
                    "kind": kind,
                    "amount": shortened(amount),
                    "balance_after": shortened(balance),
                    "version": version,
                    "created_at": at,
                    "counterparty_id": counterparty_id,
                    "reference_id": reference_id,
                    "note": note,
                    "hash": digest.hex(),
                }
            )
    return {page: found for page, found in zip(pages, items, strict=True) if found is not None}


class PostgresWallets:
    """The port :class:`application.wallet.reading.Wallets` on the shared database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._found = SharedReads(partial(acquire_connection, pool), _read_wallets)
        self._pages = SharedReads(partial(acquire_connection, pool), _read_pages, most=PAGES)

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

    async def wallet_at(self, principal: Principal, at: datetime) -> Row:
        """See the port."""
        [wallet] = await self._owned(WALLET_AT, ("balance",), principal, at)
        return wallet

    async def statement(
        self, principal: Principal, since: datetime, until: datetime, *, limit: int
    ) -> tuple[Decimal, Sequence[Row]]:
        """See the port."""
        async with acquire_connection(self._pool) as connection:
            rows = await connection.fetch(STATEMENT, principal.user_id, since, until, limit)
        if rows[0]["deleted"]:
            raise SessionRevoked
        found = [wire_row(row, ("amount", "balance_after")) for row in rows if row["user_id"] is not None]
        for row in found:
            del row["deleted"], row["opening"]
        return rows[0]["opening"], found

    async def transactions(
        self, principal: Principal, wanted: TransactionFilter, page: PageRequest[int]
    ) -> tuple[Sequence[Row], int | None]:
        """See the port."""
        above, below = 0, LAST_VERSION if page.after is None else page.after
        if wanted.since is not None or wanted.until is not None:
            async with acquire_connection(self._pool) as connection:
                period = (wanted.since or FIRST_TIME, wanted.until or LAST_TIME)
                [versions] = await connection.fetch(VERSIONS, principal.user_id, *period)
            above, below = versions["above"], min(below, versions["below"])
        found = await self._pages.get(_Page(principal.user_id, below, above, wanted.kind, page.read_limit))
        if found is None:
            raise SessionRevoked
        rows, looked_above = found
        return rows, looked_above + 1 if looked_above > above else None

    async def withdrawals(
        self, principal: Principal, status: WithdrawalStatus | None, page: PageRequest[Position]
    ) -> Sequence[Row]:
        """See the port."""
        at, last_id = (LAST_TIME, LAST_ID) if page.after is None else (page.after.at, page.after.id)
        return await self._owned(_WITHDRAWALS, ("amount",), principal, status, at, last_id, page.read_limit)

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
