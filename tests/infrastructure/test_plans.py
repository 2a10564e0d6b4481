"""What is asked on the pool is planned once for each connection, and finds its rows by an index from the first on."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from application.ports import PageRequest, Position
from application.wallet.reading import TransactionFilter
from contract.backend import postgres_backend
from domain.withdrawals import WithdrawalStatus
from infrastructure.postgres.accounts import PostgresAccounts
from infrastructure.postgres.books import PostgresBooks
from infrastructure.postgres.connections import create_pool
from infrastructure.postgres.maintenance import PostgresIdempotencyKeys
from infrastructure.postgres.transactions import PostgresDatabase
from infrastructure.postgres.wallets import PostgresWallets
from support.database import Database

pytestmark = pytest.mark.anyio

EARLY, LATE = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
CHOICES = 7
"""From the sixth time on, PostgreSQL chooses between a plan for each call and one for all."""


async def test_each_read_is_planned_once(database: Database) -> None:
    async with (
        postgres_backend(database, PostgresDatabase) as backend,
        create_pool(database.service, 1) as pool,
    ):
        owner = await backend.user(balance="9.00")
        accounts, wallets = PostgresAccounts(pool), PostgresWallets(pool)
        next_page = PageRequest(50, Position(LATE, uuid4()))
        for _ in range(CHOICES):
            await accounts.find(owner.user_id)
            await wallets.wallet(owner)
            await wallets.wallet_at(owner, LATE)
            await wallets.statement(owner, EARLY, LATE, limit=50)
            await wallets.transactions(owner, TransactionFilter(), PageRequest(50))
            await wallets.transactions(owner, TransactionFilter(since=EARLY), PageRequest(50, 7))
            await wallets.withdrawals(owner, None, PageRequest(50))
            await wallets.withdrawals(owner, WithdrawalStatus.HELD, next_page)
            await PostgresBooks(pool).imbalance()
            await PostgresIdempotencyKeys(pool).purge(100)
        planned = await pool.fetch(
            "select statement, generic_plans, custom_plans from pg_prepared_statements where statement not like '%pg_%'"
        )

    assert planned or database.pooler == "transaction"
    anew = [row["statement"] for row in planned if row["custom_plans"]]
    assert anew == []
