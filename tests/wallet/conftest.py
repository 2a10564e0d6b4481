"""A backend on Postgres alone: what memory can't show. And a ledger with something of everything in it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from decimal import Decimal

import pytest

from application.vault.withdrawals import SettleCommand, SettleWithdrawal
from contract.backend import PostgresBackend, postgres_backend
from contract.test_bookings import book
from contract.test_limits import LIMITS, ORIGIN, asked, decide
from contract.test_reversals import take_back
from contract.test_transfers import pay
from contract.test_validation import decide as decide_on
from contract.test_withdrawals import COMPLETED, FAILED, held, settle
from devstack.postgres import LocalPostgres
from domain.approvals import Approval, ApprovalStatus
from domain.identity import Role
from domain.posts import PostStatus
from domain.wallet import TransactionKind
from infrastructure.postgres.books import PostgresBooks
from infrastructure.postgres.connections import create_pool
from support.database import Database, cloned
from support.ledger import OPEN_DAYS_AGO, record_staff


@pytest.fixture
async def backend(database: Database) -> AsyncIterator[PostgresBackend]:
    async with postgres_backend(database) as made:
        yield made


@pytest.fixture(scope="session")
def busy_template(projects: LocalPostgres) -> Iterator[str]:
    """The name of a template with a ledger that has something of everything."""
    with cloned(projects) as made:
        asyncio.run(_fill(made))
        yield made.name


@pytest.fixture
def busy(projects: LocalPostgres, busy_template: str) -> Iterator[Database]:
    """A ledger of the test's own: each kind of row, each outcome, days that are over."""
    with cloned(projects, busy_template) as made:
        yield made


async def _fill(database: Database) -> None:
    async with postgres_backend(database) as backend:
        await _do_everything(backend, database)


async def _do_everything(backend: PostgresBackend, database: Database) -> None:
    admin, one, other = (
        await backend.user(Role.ADMIN),
        await backend.user(balance="50.00"),
        await backend.user(),
    )
    old = await backend.user()
    await database.fetch(OPEN_DAYS_AGO, old.user_id, Decimal(5), timedelta(days=3))
    await pay(backend, one, other, "20")
    await pay(backend, other, one, "5", key="back")
    await book(backend, admin, other, TransactionKind.BONUS, "3", key="bonus")
    penalty = await book(backend, admin, one, TransactionKind.PENALTY, "1", key="penalty")
    await take_back(backend, admin, penalty.result.transaction.id)
    await pay(backend, old, one, "2", key="by mistake")
    await take_back(backend, admin, (await backend.ledger(one))[-1].id)
    await settle(backend, admin, await held(backend, one, "2", key="done"), COMPLETED)
    await settle(backend, admin, await held(backend, one, "3", key="failed"), FAILED)
    await held(backend, other, "4", key="waits")
    await _second_admin(backend)
    await backend.rate("0.005")
    moderator = await backend.user(Role.MODERATOR)
    kept, taken_back = await backend.post(one), await backend.post(other)
    for post in (kept, taken_back):
        await decide_on(backend, moderator, post, PostStatus.APPROVED, seen=1)
    await decide_on(backend, moderator, taken_back, PostStatus.REJECTED, reason="copied")
    await record_staff(database)
    async with create_pool(database.service, 1) as pool:
        while await PostgresBooks(pool).sum_day():
            pass


async def _second_admin(backend: PostgresBackend) -> None:
    """Adjustments and a payout that waited for a second admin: approved, rejected, and still waiting."""
    first, second = await backend.user(Role.ADMIN), await backend.user(Role.ADMIN)
    rich = await backend.user(balance="900.00")
    await decide(backend, second, await asked(backend, first, rich, "500"))
    await decide(backend, second, await asked(backend, first, rich, "600"), ApprovalStatus.REJECTED)
    await asked(backend, first, rich, "700")
    withdrawal = await held(backend, rich, "200", key="large")
    command = SettleCommand(withdrawal.id, COMPLETED, "by bank")
    approval = await SettleWithdrawal(backend.transactions, LIMITS)(first, command, ORIGIN)
    assert isinstance(approval, Approval)
    await decide(backend, second, approval.id)
