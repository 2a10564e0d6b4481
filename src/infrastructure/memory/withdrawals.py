"""Withdrawals in memory."""

from collections.abc import Sequence
from uuid import UUID

from application.wallet.ports import WithdrawalPosition
from domain.withdrawals import Withdrawal, WithdrawalStatus
from infrastructure.memory.database import MemoryDatabase
from infrastructure.memory.readers import MemoryVaultReader


class MemoryWithdrawals:
    """The port :class:`application.wallet.ports.Withdrawals`."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database

    async def of_user(
        self,
        user_id: UUID,
        status: WithdrawalStatus | None,
        *,
        after: WithdrawalPosition | None,
        limit: int,
    ) -> Sequence[Withdrawal]:
        """See the port."""
        rows = [
            row
            for row in self._database.withdrawals.values()
            if row.user_id == user_id
            and status in {None, row.status}
            and (after is None or (row.created_at, row.id) < (after.created_at, after.id))
        ]
        return sorted(rows, key=lambda row: (row.created_at, row.id), reverse=True)[:limit]


class MemoryWithdrawalReader(MemoryVaultReader):
    """The port :class:`application.vault.withdrawal_queue.WithdrawalReader`."""

    async def withdrawals(
        self, status: WithdrawalStatus | None, *, after: WithdrawalPosition | None, limit: int
    ) -> Sequence[Withdrawal]:
        """See the port."""
        rows = [
            row
            for row in self._database.withdrawals.values()
            if status in {None, row.status}
            and (after is None or (row.created_at, row.id) > (after.created_at, after.id))
        ]
        return sorted(rows, key=lambda row: (row.created_at, row.id))[:limit]
