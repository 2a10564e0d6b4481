"""The proof of the ledger: silent over an honest one, and loud over every kind of damage."""

from collections.abc import Mapping
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from application.wallet.reconcile_ledger import ReconcileLedger
from contract.backend import PostgresBackend
from contract.test_bookings import book
from contract.test_transfers import pay
from contract.test_validation import decide
from contract.test_withdrawals import COMPLETED, FAILED, held, settle
from domain.identity import Role
from domain.posts import PostStatus
from domain.reconciliation import Finding
from domain.wallet import TransactionKind
from infrastructure.postgres.ledger import TakenSeal, ledger_snapshots, take_seal
from support.database import Database

pytestmark = pytest.mark.anyio


async def findings(
    database: Database, kept: Mapping[int, str] | None = None, *, since_seal: bool = False
) -> list[Finding]:
    run = ReconcileLedger(ledger_snapshots(database.service), kept, since_seal=since_seal)
    return [finding async for finding in run(lambda _: None, lambda _: None)]


async def proven(database: Database) -> list[Finding]:
    """What does not add up, but for how staff and rates came to be."""
    await record_staff(database)
    return await findings(database)


async def record_staff(database: Database) -> None:
    """Record how staff and rates came to be, which tests make by hand."""
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
        select gen_random_uuid(), 'tests', 'role.changed', id::uuid, '{}', jsonb_build_object('role', role), 'tests',
               now()
        from public.profiles where role <> 'user'
        """
    )


@pytest.fixture
async def busy(backend: PostgresBackend, database: Database) -> Database:
    """A ledger with something of everything."""
    admin, one, other = (
        await backend.user(Role.ADMIN),
        await backend.user(balance="50.00"),
        await backend.user(),
    )
    await pay(backend, one, other, "20")
    await pay(backend, other, one, "5", key="back")
    await book(backend, admin, other, TransactionKind.BONUS, "3", key="bonus")
    await book(backend, admin, one, TransactionKind.PENALTY, "1", key="penalty")
    await settle(backend, admin, await held(backend, one, "2", key="done"), COMPLETED)
    await settle(backend, admin, await held(backend, one, "3", key="failed"), FAILED)
    await held(backend, other, "4", key="waits")
    await backend.rate("0.005")
    moderator = await backend.user(Role.MODERATOR)
    kept, taken_back = await backend.post(one), await backend.post(other)
    for post in (kept, taken_back):
        await decide(backend, moderator, post, PostStatus.APPROVED, seen=1)
    await decide(backend, moderator, taken_back, PostStatus.REJECTED, reason="copied")
    await record_staff(database)
    return database


async def test_an_honest_ledger_gives_no_finding(busy: Database) -> None:
    assert await findings(busy) == []


T = "public.wallet_transactions"
UNGUARDED = (
    *(
        T,
        "public.wallet_withdrawals",
        "public.wallets",
        "public.posts",
        "public.profiles",
        "private.reward_rates",
    ),
    *("private.ledger_entries", "private.ledger_seals", "private.ledger_days", "private.audit_log"),
    "private.openings",
)


async def unguard(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Switch off what keeps history as it is, as only a superuser could."""
    for table in UNGUARDED:
        await connection.execute(f"alter table {table} disable trigger user")
    await connection.execute("set session_replication_role = replica")


@pytest.mark.parametrize(
    ("fault", "damage"),
    [
        ("wrong_balance", "update public.wallets set balance = balance + 0.01 where version > 3"),
        ("wrong_balance", "update public.wallets set version = version + 1 where version > 3"),
        ("no_wallet", "delete from public.wallets where version > 3"),
        ("empty_ledger", "insert into public.wallets (user_id, balance) values (gen_random_uuid(), 1)"),
        ("wrong_balance", "update public.wallets set hash = sha256('x') where version > 3"),
        ("unbalanced", "delete from private.ledger_entries where account = 'adjustments'"),
        ("unbalanced", "update private.ledger_entries set amount = amount + 1 where account = 'rewards'"),
        ("unbalanced", "update private.ledger_entries set account = 'rewards' where account = 'opening'"),
        ("late_entry", "update private.ledger_entries set created_at = now() where account = 'opening'"),
        ("unbalanced_payout", "delete from private.ledger_entries where account = 'payouts_paid'"),
        ("unbalanced_payout", "update private.ledger_entries set amount = 1 where account = 'payouts_paid'"),
        (
            "stray_entry",
            (
                "insert into private.ledger_entries (reference_id, account, amount, created_at) "
                "values (gen_random_uuid(), 'rewards', -5, now()), (gen_random_uuid(), 'adjustments', 5, now())"
            ),
        ),
        ("unopened", "delete from private.openings"),
        ("unopened", "update private.openings set balance = balance - 1"),
        ("imbalance", "update public.wallets set balance = balance + 1 where version = 0"),
        ("unbooked", "delete from private.audit_log where after ->> 'kind' = 'bonus'"),
        ("unearned", "delete from private.audit_log where action = 'post.validation_changed'"),
        ("unearned", "delete from public.posts where validation_status = 'approved'"),
        ("unearned", "update public.posts set author_id = gen_random_uuid()"),
        ("unbooked", "delete from private.audit_log where action = 'withdrawal.settled'"),
        ("unrecorded_settlement", "delete from private.audit_log where action = 'withdrawal.settled'"),
        (
            "unrecorded_settlement",
            "update public.wallet_withdrawals set settled_by = user_id where status <> 'held'",
        ),
        ("rate_without_record", "update private.reward_rates set amount = 500"),
        (
            "decision_without_record",
            "update public.posts set validation_status = 'approved', validated_at = now()",
        ),
        ("role_without_record", "update public.profiles set role = 'admin' where role = 'user'"),
        ("role_without_record", "update public.profiles set role = 'admin' where role = 'moderator'"),
        (
            "wrong_day",
            "insert into private.ledger_days (day, account, amount) values (current_date - 3, 'wallets', 1)",
        ),
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

    assert "no_event" not in {finding.fault for finding in await findings(busy)}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", "gen_random_uuid()"),
        ("user_id", "gen_random_uuid()"),
        ("kind", "'refund'"),
        ("amount", "amount + 0.0001"),
        ("balance_after", "balance_after + 0.0001"),
        ("version", "version + 100"),
        ("counterparty_id", "gen_random_uuid()"),
        ("reference_id", "gen_random_uuid()"),
        ("created_at", "created_at + interval '1 microsecond'"),
        ("hash", "sha256('x')"),
    ],
)
async def test_a_change_of_any_column_breaks_the_chain(busy: Database, column: str, value: str) -> None:
    connection = await asyncpg.connect(busy.superuser_url)
    await unguard(connection)
    for constraint in ("wallet_transactions_kind_shape",):
        await connection.execute(f"alter table {T} drop constraint {constraint}")
    changed = await connection.execute(f"update {T} set {column} = {value} where kind = 'bonus'")
    await connection.close()

    assert changed == "UPDATE 1"
    assert "broken_hash" in {finding.fault for finding in await findings(busy)}


async def test_a_blanked_note_is_no_finding(busy: Database) -> None:
    await busy.fetch(f"update {T} set note = null")
    assert await findings(busy) == []


async def sealed(database: Database) -> TakenSeal:
    """A seal over all that is there."""
    connection = await asyncpg.connect(database.service_url, statement_cache_size=0)
    try:
        return await take_seal(connection, behind=timedelta(0))
    finally:
        await connection.close()


REWRITE = """
update public.wallet_transactions t set balance_after = balance_after + 1, amount = amount + 1,
  hash = private.transaction_hash(null, row(id, user_id, kind, amount + 1, balance_after + 1, version, counterparty_id,
    reference_id, note, created_at, null)::public.wallet_transactions)
where kind = 'opening' and version = (select max(version) from public.wallet_transactions x where x.user_id = t.user_id)
"""


async def test_a_wallet_rewritten_as_a_whole_does_not_match_its_seal(
    backend: PostgresBackend, database: Database
) -> None:
    owner = await backend.user(balance="10.00")
    await sealed(database)
    connection = await asyncpg.connect(database.superuser_url)
    await unguard(connection)
    assert await connection.execute(REWRITE) == "UPDATE 1"
    await connection.execute(
        f"update public.wallets w set balance = t.balance_after, hash = t.hash from {T} t where t.user_id = w.user_id"
    )
    await connection.execute("update private.ledger_entries set amount = amount - 1")
    await connection.execute("update private.openings set balance = balance + 1")
    await connection.close()

    for since_seal in (False, True):
        found = await findings(database, since_seal=since_seal)
        assert [(finding.fault, finding.user_id) for finding in found] == [("rewritten", owner.user_id)]


async def test_a_row_slipped_in_under_a_seal_is_named(backend: PostgresBackend, database: Database) -> None:
    await backend.user(balance="1.00")
    seal = await sealed(database)
    late = await backend.user(balance="10.00")
    connection = await asyncpg.connect(database.superuser_url)
    await unguard(connection)
    await connection.execute(
        f"update {T} set created_at = $1 where user_id = $2", seal.sealed_until, late.user_id
    )
    await connection.close()

    found = await findings(database, since_seal=True)

    assert ("rewritten", late.user_id) in {(finding.fault, finding.user_id) for finding in found}


@pytest.mark.parametrize(
    "damage",
    [
        "update private.ledger_seals set digest = sha256('x') where id = 1",
        "update private.ledger_seals set heads = '' where id = 1",
        "update private.ledger_seals set sealed_until = sealed_until - interval '1 second' where id = 1",
        "delete from private.ledger_seals where id = 1",
    ],
)
async def test_a_seal_that_was_touched_is_named(
    backend: PostgresBackend, database: Database, damage: str
) -> None:
    await backend.user(balance="1.00")
    await sealed(database)
    await backend.user(balance="1.00")
    await sealed(database)
    connection = await asyncpg.connect(database.superuser_url)
    await unguard(connection)
    await connection.execute(damage)
    await connection.close()

    assert "broken_seal" in {finding.fault for finding in await findings(database)}


async def test_seals_that_were_all_made_anew_differ_from_those_kept_elsewhere(
    backend: PostgresBackend, database: Database
) -> None:
    await backend.user(balance="1.00")
    kept = await sealed(database)

    assert await findings(database, {kept.id: kept.digest}) == []
    found = await findings(database, {kept.id: kept.digest[::-1]})

    assert [finding.fault for finding in found] == ["replaced_seal"]


async def test_a_seal_holds_each_wallet_that_moved_since_the_one_before(
    backend: PostgresBackend, database: Database
) -> None:
    one, other = await backend.user(balance="5.00"), await backend.user(balance="5.00")
    first = await sealed(database)
    await pay(backend, one, other, "1")
    await backend.user(balance="0.00")

    second, third = await sealed(database), await sealed(database)

    assert (first.wallets, second.wallets, third.wallets) == (2, 2, 0)
    assert (second.previous, third.previous) == (first.digest, second.digest)
    assert await findings(database) == []
    assert await findings(database, since_seal=True) == []


async def test_it_looks_at_one_instant_while_money_moves(
    backend: PostgresBackend, database: Database
) -> None:
    one, other = await backend.user(balance="50.00"), await backend.user()
    async with ledger_snapshots(database.service)() as snapshot:
        before = await snapshot.size()
        await pay(backend, one, other, "1", key=str(uuid4()))

        lines = [line async for line in snapshot.lines()]

    assert len(lines) == before
