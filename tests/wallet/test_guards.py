"""What the database itself refuses, whoever asks: the last line behind every rule of money."""

from decimal import Decimal
from uuid import uuid4

import asyncpg
import pytest

from contract.backend import Backend
from contract.test_transfers import pay
from contract.test_withdrawals import COMPLETED, held, settle
from domain.identity import Role
from support.database import Database

pytestmark = pytest.mark.anyio

LEDGER = "public.wallet_transactions"


@pytest.mark.parametrize(
    "statement",
    [
        f"update {LEDGER} set amount = 1",
        f"update {LEDGER} set note = null",
        f"delete from {LEDGER}",
        f"truncate {LEDGER}",
        "update private.audit_log set reason = null",
        "delete from private.audit_log",
        "truncate private.audit_log",
        "delete from private.realtime_outbox where delivered_at is null returning true",
        "truncate private.realtime_outbox",
        "delete from public.wallet_withdrawals",
        "truncate public.wallet_withdrawals",
        "update public.wallet_withdrawals set amount = 2",
        "update public.wallet_withdrawals set user_id = gen_random_uuid()",
        "delete from public.wallets",
        "truncate public.wallets",
        "update public.wallets set user_id = gen_random_uuid()",
    ],
)
async def test_the_services_own_role_changes_no_history(
    backend: Backend, database: Database, statement: str
) -> None:
    owner, admin = await backend.user(balance="10.00"), await backend.user(Role.ADMIN)
    await settle(backend, admin, await held(backend, owner, "1"), COMPLETED)
    connection = await asyncpg.connect(database.service_url)

    try:
        if "returning" in statement:
            assert await connection.fetch(statement) == []
        else:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        f"update {LEDGER} set amount = amount + 1",
        f"update {LEDGER} set note = 'better'",
        f"delete from {LEDGER}",
        f"truncate {LEDGER}",
        "update public.wallet_withdrawals set status = 'failed'",
        "update public.wallet_withdrawals set status = 'held', settled_by = null, settled_at = null",
        "update public.wallet_withdrawals set amount = 2",
        "delete from public.wallet_withdrawals",
        "truncate public.wallet_withdrawals",
    ],
)
async def test_not_even_the_owner_of_the_tables_changes_history(
    backend: Backend, database: Database, statement: str
) -> None:
    owner, admin = await backend.user(balance="10.00"), await backend.user(Role.ADMIN)
    await settle(backend, admin, await held(backend, owner, "1"), COMPLETED)
    connection = await asyncpg.connect(database.migrator_url)

    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("amount", ["NaN", "100000000", "-0.01"])
async def test_no_balance_leaves_its_range(backend: Backend, database: Database, amount: str) -> None:
    await backend.user(balance="10.00")

    with pytest.raises((asyncpg.CheckViolationError, asyncpg.NumericValueOutOfRangeError)):
        await database.fetch("update public.wallets set balance = $1", Decimal(amount))


@pytest.mark.parametrize(
    ("kind", "amount", "reference"),
    [
        ("bonus", "NaN", False),
        ("bonus", "0", False),
        ("bonus", "100000000", False),
        ("bonus", "-1", False),
        ("bonus", "1", True),
        ("penalty", "1", False),
        ("withdrawal", "-1", False),
        ("withdrawal", "1", True),
        ("transfer_in", "1", True),
        ("gift", "1", False),
    ],
)
async def test_no_row_is_of_a_shape_that_its_kind_does_not_have(
    database: Database, kind: str, amount: str, reference: bool
) -> None:
    with pytest.raises((asyncpg.CheckViolationError, asyncpg.NumericValueOutOfRangeError)):
        await database.fetch(
            f"insert into {LEDGER} (id, user_id, kind, amount, balance_after, version, reference_id, created_at, hash)"
            " values ($1, $2, $3, $4, 1, 1, $5, now(), sha256(''))",
            uuid4(),
            uuid4(),
            kind,
            Decimal(amount),
            uuid4() if reference else None,
        )


@pytest.mark.parametrize("amount", ["NaN", "0", "-1", "100000000"])
async def test_no_withdrawal_is_of_an_impossible_amount(database: Database, amount: str) -> None:
    with pytest.raises((asyncpg.CheckViolationError, asyncpg.NumericValueOutOfRangeError)):
        await database.fetch(
            "insert into public.wallet_withdrawals (id, user_id, amount, transaction_id, created_at)"
            " values ($1, $1, $2, $1, now())",
            uuid4(),
            Decimal(amount),
        )


async def test_a_version_is_given_once(backend: Backend, database: Database) -> None:
    owner = await backend.user(balance="1.00")

    with pytest.raises(asyncpg.UniqueViolationError):
        await database.fetch(
            f"insert into {LEDGER} (id, user_id, kind, amount, balance_after, version, created_at, hash)"
            " values ($1, $2, 'bonus', 1, 1, 1, now(), sha256(''))",
            uuid4(),
            owner.user_id,
        )


async def test_a_user_sees_only_their_own_withdrawals_and_writes_none(
    backend: Backend, database: Database
) -> None:
    owner, other = await backend.user(balance="10.00"), await backend.user(balance="10.00")
    withdrawal = await held(backend, owner, "1")
    await held(backend, other, "1")
    connection = await asyncpg.connect(database.superuser_url)

    try:
        async with connection.transaction():
            await connection.execute(
                "select set_config('request.jwt.claims', $1, true)",
                f'{{"sub": "{owner.user_id}", "role": "authenticated"}}',
            )
            await connection.execute("set local role authenticated")
            seen = await connection.fetch("select id from public.wallet_withdrawals")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute("update public.wallet_withdrawals set status = 'failed'")
        assert [row["id"] for row in seen] == [withdrawal.id]
    finally:
        await connection.close()


async def test_deleting_the_auth_user_touches_no_row_of_the_books(
    backend: Backend, database: Database
) -> None:
    owner, other = await backend.user(balance="10.00"), await backend.user()
    await pay(backend, owner, other, "1")
    await held(backend, owner, "2", key="withdrawal")
    tables = (LEDGER, "public.wallets", "public.wallet_withdrawals", "private.idempotency_keys")
    before = [await database.fetch(f"select t::text from {table} t order by 1") for table in tables]

    await database.fetch("delete from auth.users where id = $1", owner.user_id)

    assert [await database.fetch(f"select t::text from {table} t order by 1") for table in tables] == before
