"""The proof of the ledger: silent over an honest one, and loud over every kind of damage."""

from uuid import uuid4

import asyncpg
import pytest

from application.wallet.reconcile_ledger import ReconcileLedger
from contract.test_bookings import book
from contract.test_transfers import pay
from contract.test_withdrawals import COMPLETED, FAILED, held, settle
from contract.world import PostgresWorld
from domain.identity import Role
from domain.reconciliation import Finding
from domain.wallet import TransactionKind
from infrastructure.postgres.ledger import ledger_snapshots
from support.database import Database

pytestmark = pytest.mark.anyio


async def findings(database: Database) -> list[Finding]:
    run = ReconcileLedger(ledger_snapshots(database.service))
    return [finding async for finding in run(lambda _: None, lambda _: None)]


@pytest.fixture
async def busy(world: PostgresWorld, database: Database) -> Database:
    """A ledger with something of everything."""
    admin, one, other = await world.user(Role.ADMIN), await world.user(balance="50.00"), await world.user()
    await pay(world, one, other, "20")
    await pay(world, other, one, "5", key="back")
    await book(world, admin, other, TransactionKind.BONUS, "3", key="bonus")
    await book(world, admin, one, TransactionKind.PENALTY, "1", key="penalty")
    await settle(world, admin, await held(world, one, "2", key="done"), COMPLETED)
    await settle(world, admin, await held(world, one, "3", key="failed"), FAILED)
    await held(world, other, "4", key="waits")
    return database


async def test_an_honest_ledger_gives_no_finding(busy: Database) -> None:
    assert await findings(busy) == []


T = "public.wallet_transactions"


async def unguard(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Switch off what keeps history as it is, as only a superuser's mistake could."""
    for table in (T, "public.wallet_withdrawals", "public.wallets"):
        await connection.execute(f"alter table {table} disable trigger user")
    await connection.execute("set session_replication_role = replica")


@pytest.mark.parametrize(
    ("fault", "damage"),
    [
        ("wrong_balance", "update public.wallets set balance = balance + 0.01 where version > 3"),
        ("wrong_balance", "update public.wallets set version = version + 1 where version > 3"),
        ("no_wallet", "delete from public.wallets where version > 3"),
        ("empty_ledger", "insert into public.wallets (user_id, balance) values (gen_random_uuid(), 1)"),
        ("version_gap", f"delete from {T} where version = 2"),
        ("broken_chain", f"update {T} set amount = amount - 0.01 where kind = 'penalty'"),
        ("broken_chain", f"update {T} set balance_after = balance_after + 0.01 where kind = 'penalty'"),
        ("unpaired_transfer", f"delete from {T} where kind = 'transfer_in'"),
        ("unbalanced_transfer", f"update {T} set amount = amount + 0.01 where kind = 'transfer_in'"),
        (
            "crossed_transfer",
            f"update {T} set counterparty_id = gen_random_uuid() where kind = 'transfer_in'",
        ),
        ("no_withdrawal", "delete from public.wallet_withdrawals where status = 'held'"),
        ("no_withdrawal", "update public.wallet_withdrawals set amount = amount + 1"),
        ("unheld_withdrawal", "update public.wallet_withdrawals set transaction_id = gen_random_uuid()"),
        ("wrong_settlement", f"delete from {T} where kind = 'reversal'"),
        (
            "wrong_settlement",
            "update public.wallet_withdrawals set status = 'completed' where status = 'failed'",
        ),
        (
            "wrong_settlement",
            "update public.wallet_withdrawals set status = 'failed' where status = 'completed'",
        ),
        ("wrong_reversal", f"update {T} set amount = amount + 1 where kind = 'reversal'"),
        ("unfounded_reversal", f"update {T} set reference_id = gen_random_uuid() where kind = 'reversal'"),
        ("no_event", "delete from private.realtime_outbox where payload ->> 'kind' = 'bonus'"),
    ],
)
async def test_damage_is_found(busy: Database, fault: str, damage: str) -> None:
    connection = await asyncpg.connect(busy.superuser_url)
    await unguard(connection)
    changed = await connection.execute(damage)
    await connection.close()

    assert not changed.endswith(" 0")
    assert fault in {finding.fault for finding in await findings(busy)}


async def test_an_event_may_be_gone_after_its_time(busy: Database) -> None:
    connection = await asyncpg.connect(busy.superuser_url)
    await unguard(connection)
    await connection.execute(f"update {T} set created_at = created_at - interval '8 days'")
    await connection.execute("delete from private.realtime_outbox")
    await connection.close()

    assert await findings(busy) == []


async def test_it_looks_at_one_instant_while_money_moves(world: PostgresWorld, database: Database) -> None:
    one, other = await world.user(balance="50.00"), await world.user()
    async with ledger_snapshots(database.service)() as snapshot:
        before = await snapshot.size()
        await pay(world, one, other, "1", key=str(uuid4()))

        lines = [line async for line in snapshot.lines()]

    assert len(lines) == before
