"""Keys under waiting: which lock is waited for decides the answer; and keys that are forgotten in time."""

import asyncio
from uuid import UUID

import asyncpg
import pytest

from contract.backend import PostgresBackend
from contract.test_transfers import pay
from domain.errors import IdempotencyKeyInProgress, Unavailable
from infrastructure.postgres.connections import create_pool
from infrastructure.postgres.maintenance import BATCH, PostgresIdempotencyKeys, purge_idempotency_keys
from support.database import Database

pytestmark = pytest.mark.anyio

WAITING = """
select exists (
  select from pg_stat_activity where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0
)
"""


async def _claim(connection: "asyncpg.Connection[asyncpg.Record]", user_id: UUID, key: str) -> None:
    await connection.execute(
        "insert into private.idempotency_keys (user_id, key, fingerprint) values ($1, $2, '')", user_id, key
    )


async def test_a_key_that_stays_claimed_is_told_to_be_in_progress(
    backend: PostgresBackend, database: Database
) -> None:
    sender, recipient = await backend.user(balance="10.00"), await backend.user()
    first = await asyncpg.connect(database.superuser_url)

    try:
        await first.execute("begin")
        await _claim(first, sender.user_id, "slow")
        with pytest.raises(IdempotencyKeyInProgress):
            await pay(backend, sender, recipient, "1", key="slow")
    finally:
        await first.close()

    assert len(await backend.ledger(sender)) == 1


async def test_a_retry_goes_first_when_the_first_request_is_undone(
    backend: PostgresBackend, database: Database
) -> None:
    sender, recipient = await backend.user(balance="10.00"), await backend.user()
    first = await asyncpg.connect(database.superuser_url)
    watcher = await asyncpg.connect(database.superuser_url)

    try:
        undone = first.transaction()
        await undone.start()
        await _claim(first, sender.user_id, "undone")
        retry = asyncio.create_task(pay(backend, sender, recipient, "1", key="undone"))
        while not await watcher.fetchval(WAITING):
            assert not retry.done()
        await undone.rollback()
        answer = await retry
    finally:
        await first.close()
        await watcher.close()

    assert not answer.replayed


async def test_a_wallet_that_stays_locked_is_told_to_be_unavailable(
    backend: PostgresBackend, database: Database
) -> None:
    sender, recipient = await backend.user(balance="10.00"), await backend.user()
    holder = await asyncpg.connect(database.superuser_url)

    try:
        async with holder.transaction():
            await holder.execute(
                "select from public.wallets where user_id = $1 for update", recipient.user_id
            )
            with pytest.raises(Unavailable) as refused:
                await pay(backend, sender, recipient, "1", key="later")
    finally:
        await holder.close()

    assert not isinstance(refused.value, IdempotencyKeyInProgress)
    assert not (await pay(backend, sender, recipient, "1", key="later")).replayed


async def _age(database: Database, count: int, days: int) -> None:
    await database.fetch(
        """
        insert into private.idempotency_keys (user_id, key, fingerprint, status, body, created_at)
        select gen_random_uuid(), n::text, '', 409, '{}', now() - make_interval(days => $2)
        from generate_series(1, $1) n
        """,
        count,
        days,
    )


async def _left(database: Database) -> int:
    [row] = await database.fetch("select count(*) from private.idempotency_keys")
    return int(row[0])


async def test_keys_are_forgotten_after_thirty_days_and_not_before(database: Database) -> None:
    await _age(database, BATCH + 1, 31)
    await _age(database, 7, 29)

    async with create_pool(database.service, 2) as pool:
        assert await purge_idempotency_keys(PostgresIdempotencyKeys(pool)) == BATCH + 1

    assert await _left(database) == 7


async def test_processes_that_clean_up_at_once_share_the_work(database: Database) -> None:
    await _age(database, 5 * BATCH, 31)

    async with create_pool(database.service, 4) as pool:
        forgotten = await asyncio.gather(
            *(purge_idempotency_keys(PostgresIdempotencyKeys(pool)) for _ in range(4))
        )

    assert sum(forgotten) == 5 * BATCH
    assert await _left(database) == 0


async def test_a_clean_up_passes_over_what_another_process_is_deleting(database: Database) -> None:
    await _age(database, 3, 31)
    other = await asyncpg.connect(database.superuser_url)

    try:
        async with other.transaction():
            await other.execute("select from private.idempotency_keys where key = '1' for update")
            async with create_pool(database.service, 1) as pool:
                assert await PostgresIdempotencyKeys(pool).purge(10) == 2
    finally:
        await other.close()
