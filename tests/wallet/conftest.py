"""A world on Postgres alone: what memory can't show. And a ledger with something of everything in it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal

import pytest

from application.vault.withdrawals import SettleCommand, SettleWithdrawal
from contract.test_bookings import book
from contract.test_limits import LIMITS, ORIGIN, asked, decide
from contract.test_reversals import take_back
from contract.test_transfers import pay
from contract.test_validation import decide as decide_on
from contract.test_withdrawals import COMPLETED, FAILED, held, settle
from contract.world import PostgresWorld, postgres_world
from domain.approvals import Approval, ApprovalStatus
from domain.identity import Role
from domain.posts import PostStatus
from domain.wallet import TransactionKind
from infrastructure.postgres.books import PostgresBooks
from infrastructure.postgres.connections import create_pool
from support.database import Database
from support.ledger import OPEN_DAYS_AGO, record_staff


@pytest.fixture
async def world(database: Database) -> AsyncIterator[PostgresWorld]:
    async with postgres_world(database) as made:
        yield made


@pytest.fixture
async def busy(world: PostgresWorld, database: Database) -> Database:
    """A ledger with something of everything: each kind of row, each outcome, days that are over."""
    admin, one, other = await world.user(Role.ADMIN), await world.user(balance="50.00"), await world.user()
    old = await world.user()
    await database.fetch(OPEN_DAYS_AGO, old.user_id, Decimal(5), timedelta(days=3))
    await pay(world, one, other, "20")
    await pay(world, other, one, "5", key="back")
    await book(world, admin, other, TransactionKind.BONUS, "3", key="bonus")
    penalty = await book(world, admin, one, TransactionKind.PENALTY, "1", key="penalty")
    await take_back(world, admin, penalty.result.transaction.id)
    await pay(world, old, one, "2", key="by mistake")
    await take_back(world, admin, (await world.ledger(one))[-1].id)
    await settle(world, admin, await held(world, one, "2", key="done"), COMPLETED)
    await settle(world, admin, await held(world, one, "3", key="failed"), FAILED)
    await held(world, other, "4", key="waits")
    await _second_admin(world)
    await world.rate("0.005")
    moderator = await world.user(Role.MODERATOR)
    kept, taken_back = await world.post(one), await world.post(other)
    for post in (kept, taken_back):
        await decide_on(world, moderator, post, PostStatus.APPROVED, seen=1)
    await decide_on(world, moderator, taken_back, PostStatus.REJECTED, reason="copied")
    await record_staff(database)
    async with create_pool(database.service, 1) as pool:
        while await PostgresBooks(pool).sum_day():
            pass
    return database


async def _second_admin(world: PostgresWorld) -> None:
    """Adjustments and a payout that waited for a second admin: approved, rejected, and still waiting."""
    first, second = await world.user(Role.ADMIN), await world.user(Role.ADMIN)
    rich = await world.user(balance="900.00")
    await decide(world, second, await asked(world, first, rich, "500"))
    await decide(world, second, await asked(world, first, rich, "600"), ApprovalStatus.REJECTED)
    await asked(world, first, rich, "700")
    withdrawal = await held(world, rich, "200", key="large")
    command = SettleCommand(withdrawal.id, COMPLETED, "by bank")
    approval = await SettleWithdrawal(world.transactions, LIMITS)(first, command, ORIGIN)
    assert isinstance(approval, Approval)
    await decide(world, second, approval.id)
