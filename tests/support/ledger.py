"""Proving a ledger in tests, and doing to it what only a superuser could."""

from collections.abc import Mapping
from datetime import timedelta

import asyncpg

from application.wallet.reconcile_ledger import ReconcileLedger
from domain.reconciliation import Finding
from infrastructure.postgres.accounts import OPEN_WITH_BALANCE
from infrastructure.postgres.ledger import TakenSeal, ledger_snapshots, take_seal
from infrastructure.postgres.ownership import OUR_TABLES
from support.database import Database

OPEN_DAYS_AGO = OPEN_WITH_BALANCE.replace("clock_timestamp()", "clock_timestamp() - $3::interval")
"""The SQL that opens a wallet with a balance some time ago: $1 user, $2 amount, $3 how long ago."""


async def findings(
    database: Database, kept: Mapping[int, str] | None = None, *, since_seal: bool = False
) -> list[Finding]:
    """What does not add up."""
    run = ReconcileLedger(ledger_snapshots(database.service), kept, since_seal=since_seal)
    return [finding async for finding in run(lambda _: None, lambda _: None)]


async def proven(database: Database) -> list[Finding]:
    """What does not add up, but for how staff and rates came to be, which tests make by hand."""
    await record_staff(database)
    return await findings(database)


async def record_staff(database: Database) -> None:
    """Record how staff and rates came to be."""
    await database.fetch(
        """
        insert into private.audit_log
          (id, operator, action, before, after, request_id, occurred_at)
        select gen_random_uuid(), 'tests', 'reward_rate.changed', '{}',
               jsonb_build_object('action', action, 'amount', amount::text), 'tests', now()
        from private.reward_rates
        """
    )
    await database.fetch(
        """
        insert into private.audit_log
          (id, operator, action, target_id, before, after, request_id, occurred_at)
        select gen_random_uuid(), 'tests', 'role.changed', id::uuid, '{}', jsonb_build_object('role', role),
               'tests', now()
        from public.profiles where role <> 'user'
        """
    )


async def sealed(database: Database) -> TakenSeal:
    """A seal over all that is there."""
    connection = await asyncpg.connect(database.service_url, statement_cache_size=0)
    try:
        return await take_seal(connection, behind=timedelta(0))
    finally:
        await connection.close()


async def tamper(database: Database, *statements: str) -> list[str]:
    """Run *statements* past every guard, as only a superuser could; what each of them changed."""
    connection = await asyncpg.connect(database.superuser_url)
    try:
        for table in OUR_TABLES:
            await connection.execute(f"alter table {table} disable trigger user")
        await connection.execute("set session_replication_role = replica")
        return [await connection.execute(statement) for statement in statements]
    finally:
        await connection.close()
