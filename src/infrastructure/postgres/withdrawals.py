"""Withdrawals: one's own as a hot read, everybody's as a list of the vault."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
from advanced_alchemy.filters import LimitOffset, OrderBy
from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from sqlalchemy import tuple_
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from application.vault.withdrawal_queue import WithdrawalReaderFactory
from application.wallet.ports import WithdrawalPosition
from domain.withdrawals import Withdrawal, WithdrawalStatus
from infrastructure.postgres.errors import translated
from infrastructure.postgres.leases import leased
from infrastructure.postgres.rows import WITHDRAWAL_COLUMNS, withdrawal_of
from infrastructure.postgres.tables import WithdrawalRow
from infrastructure.postgres.vault import PostgresVaultReader

_OWN = f"""
select {WITHDRAWAL_COLUMNS}
from public.wallet_withdrawals
where user_id = $1
  and ($2::text is null or status = $2)
  and ($3::timestamptz is null or (created_at, id) < ($3, $4::uuid))
order by created_at desc, id desc
limit $5
"""  # noqa: S608 - our own column list


class PostgresWithdrawals:
    """The port :class:`application.wallet.ports.Withdrawals` on the shared database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def of_user(
        self,
        user_id: UUID,
        status: WithdrawalStatus | None,
        *,
        after: WithdrawalPosition | None,
        limit: int,
    ) -> Sequence[Withdrawal]:
        """See the port."""
        created_at, last_id = (None, None) if after is None else (after.created_at, after.id)
        async with leased(self._pool) as connection:
            rows = await connection.fetch(_OWN, user_id, status, created_at, last_id, limit)
        return [withdrawal_of(row) for row in rows]


class WithdrawalRepository(SQLAlchemyAsyncRepository[WithdrawalRow]):
    """Withdrawals, for lists."""

    model_type = WithdrawalRow


class PostgresWithdrawalReader(PostgresVaultReader):
    """The port :class:`application.vault.withdrawal_queue.WithdrawalReader` on the shared database."""

    async def withdrawals(
        self, status: WithdrawalStatus | None, *, after: WithdrawalPosition | None, limit: int
    ) -> Sequence[Withdrawal]:
        """See the port: one statement, along the index of the queue."""
        conditions = [] if status is None else [WithdrawalRow.status == status]
        if after is not None:
            conditions.append(
                tuple_(WithdrawalRow.created_at, WithdrawalRow.id) > (after.created_at, after.id)
            )
        rows = await WithdrawalRepository(session=self._session).get_many(
            *conditions,
            LimitOffset(limit, 0),
            OrderBy(WithdrawalRow.created_at),
            OrderBy(WithdrawalRow.id),
        )
        return [withdrawal_of(vars(row)) for row in rows]


def withdrawal_readers(engine: AsyncEngine) -> WithdrawalReaderFactory:
    """Reading transactions on everybody's withdrawals, on *engine*."""

    @asynccontextmanager
    async def open_reader() -> AsyncIterator[PostgresWithdrawalReader]:
        async with translated(), AsyncSession(engine) as session:
            yield PostgresWithdrawalReader(session)

    return open_reader
