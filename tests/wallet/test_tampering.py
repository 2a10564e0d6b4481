"""Whatever a superuser changes, removes or adds in the ledger is named: for each table, and for each of its columns.

Tables and columns come from the database: one that is new and has no case here turns the tests red.
"""

import asyncpg
import pytest

from infrastructure.postgres.ownership import OUR_TABLES
from support.database import Database
from support.ledger import findings, sealed, tamper

pytestmark = pytest.mark.anyio

BESIDE_THE_LEDGER = {
    "public.profiles": "names; their roles are tried below",
    "public.posts": "words; who decided on them is tried below",
    "private.bans": "who may pay, not what was paid",
    "private.idempotency_keys": "answers, which the rows prove",
    "private.realtime_outbox": "what users are told; events are tried below",
    "private.schema_level": "no money",
    "private.relay_lease": "no money",
    "private.legacy_tokens": "who may sign in",
    "private.adoption": "how the database came to be ours",
    "private.adoption_steps": "how the database came to be ours",
    "private.adopted_roles": "what roles were before, and are no more",
    "private.adopted_earnings": "what is not paid any more; what was, is no row of the ledger",
}
NOTHING_RESTS_ON = {
    "public.wallets.frozen": "who may pay, not what was paid",
    "private.openings.taken_at": "its transaction says when",
    "public.wallet_transactions.note": "words, which may be blanked",
    "public.wallet_withdrawals.reason": "words, which may be blanked",
    "private.ledger_seals.created_at": "a seal says itself until when it is",
    "private.ledger_epoch.only_row": "true, by a constraint",
    "private.reward_rates.updated_at": "the record says when",
    "private.reward_rates.action": "there is one, by a constraint",
    "private.audit_log.id": "nothing names it",
    "private.audit_log.operator": "that there is one, where there is no actor, a constraint says",
    "private.audit_log.session_id": "for whoever looks into a decision",
    "private.audit_log.before": "for whoever looks into a decision",
    "private.audit_log.reason": "words",
    "private.audit_log.request_id": "for whoever looks into a decision",
    "private.audit_log.client_address": "for whoever looks into a decision",
}
T, W, A = "public.wallet_transactions", "public.wallet_withdrawals", "private.approvals"
# Table and column: which rows, the new value, and the fault that it is named as.
CHANGES = {
    "public.wallets.user_id": ("version = 3", "gen_random_uuid()", "no_wallet"),
    "public.wallets.balance": ("version > 3", "balance + 0.0001", "wrong_balance"),
    "public.wallets.version": ("version > 3", "version - 1", "wrong_balance"),
    "public.wallets.updated_at": ("version > 3", "updated_at + interval '1 microsecond'", "wrong_balance"),
    "public.wallets.hash": ("version > 3", "sha256('x')", "wrong_balance"),
    f"{T}.id": ("kind = 'bonus'", "gen_random_uuid()", "broken_hash"),
    f"{T}.user_id": ("kind = 'bonus'", "gen_random_uuid()", "broken_hash"),
    f"{T}.kind": ("kind = 'bonus'", "'refund'", "broken_hash"),
    f"{T}.amount": ("kind = 'bonus'", "amount + 0.0001", "broken_hash"),
    f"{T}.balance_after": ("kind = 'bonus'", "balance_after + 0.0001", "broken_hash"),
    f"{T}.version": ("kind = 'bonus'", "version + 100", "broken_hash"),
    f"{T}.counterparty_id": ("kind = 'bonus'", "gen_random_uuid()", "broken_hash"),
    f"{T}.reference_id": ("kind = 'bonus'", "gen_random_uuid()", "broken_hash"),
    f"{T}.created_at": ("kind = 'bonus'", "created_at + interval '1 microsecond'", "broken_hash"),
    f"{T}.hash": ("kind = 'bonus'", "sha256('x')", "broken_hash"),
    f"{W}.id": ("true", "gen_random_uuid()", "unheld_withdrawal"),
    f"{W}.user_id": ("true", "gen_random_uuid()", "unheld_withdrawal"),
    f"{W}.amount": ("true", "amount + 1", "no_withdrawal"),
    f"{W}.status": ("status = 'failed'", "'completed'", "wrong_settlement"),
    f"{W}.transaction_id": ("true", "gen_random_uuid()", "unheld_withdrawal"),
    f"{W}.settled_by": ("status <> 'held'", "user_id", "unrecorded_settlement"),
    f"{W}.settled_at": ("status <> 'held'", "settled_at + interval '1 microsecond'", "unrecorded_settlement"),
    f"{W}.created_at": ("true", "created_at + interval '1 microsecond'", "unheld_withdrawal"),
    "private.ledger_entries.reference_id": ("account = 'adjustments'", "gen_random_uuid()", "stray_entry"),
    "private.ledger_entries.account": ("account = 'rewards'", "'adjustments'", "unbalanced"),
    "private.ledger_entries.amount": ("account = 'payouts_paid'", "amount + 1", "unbalanced_payout"),
    "private.ledger_entries.created_at": ("true", "created_at + interval '1 microsecond'", "late_entry"),
    "private.ledger_days.day": ("true", "day + 100", "wrong_day"),
    "private.ledger_days.account": ("account = 'opening'", "'rewards'", "wrong_day"),
    "private.ledger_days.amount": ("account = 'opening'", "amount + 0.0001", "wrong_day"),
    "private.ledger_seals.id": ("true", "id + 100", "replaced_seal"),
    "private.ledger_seals.sealed_until": ("true", "sealed_until - interval '1 second'", "broken_seal"),
    "private.ledger_seals.heads": ("true", "substr(heads, 57)", "broken_seal"),
    "private.ledger_seals.digest": ("true", "sha256('x')", "broken_seal"),
    "private.ledger_epoch.epoch": ("true", "epoch + 1", "epoch_without_record"),
    f"{A}.id": ("true", "gen_random_uuid()", "wrong_approval"),
    f"{A}.action": ("action = 'vault.adjust_balance'", "'vault.settle_withdrawal'", "wrong_approval"),
    f"{A}.target_id": ("status = 'waiting'", "gen_random_uuid()", "wrong_approval"),
    f"{A}.request": ("status = 'waiting'", """request || '{"amount": "9000.00"}' """, "wrong_approval"),
    f"{A}.requested_by": ("true", "gen_random_uuid()", "wrong_approval"),
    f"{A}.created_at": ("true", "created_at + interval '1 microsecond'", "wrong_approval"),
    f"{A}.expires_at": ("status = 'waiting'", "expires_at + interval '1 day'", "wrong_approval"),
    f"{A}.status": ("status = 'rejected'", "'approved'", "wrong_approval"),
    f"{A}.decided_by": ("status = 'approved'", "gen_random_uuid()", "wrong_approval"),
    f"{A}.decided_at": ("status = 'approved'", "decided_at + interval '1 microsecond'", "wrong_approval"),
    "private.openings.user_id": ("true", "gen_random_uuid()", "unopened"),
    "private.openings.balance": ("true", "balance + 1", "unopened"),
    "private.openings.transaction_id": ("true", "gen_random_uuid()", "unopened"),
    "private.reward_rates.amount": ("true", "500", "rate_without_record"),
    "private.audit_log.actor_id": ("actor_id is not null", "gen_random_uuid()", "unentitled_record"),
    "private.audit_log.action": ("action = 'transaction.booked'", "'user.banned'", "unbooked"),
    "private.audit_log.refusal": ("action = 'withdrawal.settled'", "'forbidden'", "unrecorded_settlement"),
    "private.audit_log.target_id": ("action = 'post.validation_changed'", "gen_random_uuid()", "unearned"),
    "private.audit_log.after": (
        "action = 'transaction.booked'",
        """after || '{"amount": "2.00"}' """,
        "unbooked",
    ),
    "private.audit_log.occurred_at": (
        *("action = 'transaction.reversed'", "occurred_at + interval '1 microsecond'", "unbooked"),
    ),
}
REMOVED = {
    "public.wallets": ("version > 3", "no_wallet"),
    T: ("version = 2", "version_gap"),
    W: ("status = 'held'", "no_withdrawal"),
    "private.ledger_entries": ("account = 'payouts_paid'", "unbalanced_payout"),
    "private.ledger_days": ("account = 'opening'", "wrong_day"),
    "private.ledger_seals": ("true", "replaced_seal"),
    "private.ledger_epoch": ("true", "epoch_without_record"),
    A: ("status = 'waiting'", "wrong_approval"),
    "private.openings": ("true", "unopened"),
    "private.reward_rates": ("true", "rate_without_record"),
    "private.audit_log": ("action = 'approval.decided'", "unbooked"),
}
ONE_ROW = "a constraint allows no other row"
ADDED = {
    "public.wallets": ("(user_id, balance) values (gen_random_uuid(), 1)", "empty_ledger"),
    T: (
        (
            "select gen_random_uuid(), user_id, kind, amount, balance_after + amount, version + 100, counterparty_id, "
            f"reference_id, note, created_at, hash from {T} where kind = 'bonus'"
        ),
        "broken_hash",
    ),
    W: (
        (
            "(id, user_id, amount, transaction_id, created_at) "
            f"select gen_random_uuid(), user_id, 1, gen_random_uuid(), now() from {W} limit 1"
        ),
        "unheld_withdrawal",
    ),
    "private.ledger_entries": ("values (gen_random_uuid(), 'rewards', 1, now())", "stray_entry"),
    "private.ledger_days": ("values (current_date - 3, 'rewards', 1)", "wrong_day"),
    "private.ledger_seals": ("(sealed_until, heads, digest) values (now(), '', sha256(''))", "broken_seal"),
    "private.ledger_epoch": ONE_ROW,
    A: (
        (
            "select gen_random_uuid(), action, target_id, request, requested_by, created_at, expires_at "
            f"from {A} where status = 'waiting'"
        ),
        "wrong_approval",
    ),
    "private.openings": (
        "(user_id, balance, transaction_id) values (gen_random_uuid(), 5, gen_random_uuid())",
        "stray_opening",
    ),
    "private.reward_rates": ONE_ROW,
    "private.audit_log": (
        (
            "(id, actor_id, session_id, action, target_id, before, after, request_id, occurred_at) "
            "values (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'role.changed', gen_random_uuid(), "
            """'{}', '{"role": "admin"}', 'x', now())"""
        ),
        "unentitled_record",
    ),
}
BESIDE = (
    ("role_without_record", "update public.profiles set role = 'admin' where role = 'user'"),
    ("role_without_record", "update public.profiles set role = 'admin' where role = 'moderator'"),
    ("unearned", "delete from public.posts where validation_status = 'approved'"),
    ("unearned", "update public.posts set author_id = gen_random_uuid()"),
    (
        "decision_without_record",
        "update public.posts set validation_status = 'approved', validated_at = now()",
    ),
    ("decision_without_record", "update public.posts set validated_by = author_id"),
    ("no_event", "delete from private.realtime_outbox where payload ->> 'kind' = 'bonus'"),
    ("wrong_event", """update private.realtime_outbox set payload = payload || '{"balance": "900.00"}' """),
    (
        "wrong_event",
        """update private.realtime_outbox set payload = payload || '{"transaction_id": "none"}' """,
    ),
)
WITHOUT_A_SHAPE = ("kind", "counterparty_id", "reference_id")
# What the columns can hold once their checks are gone: table, column, value, rows, and the fault.
BEYOND = (
    (T, "amount", "'NaN'", "kind = 'bonus'", "broken_chain"),
    (T, "amount", "'NaN'", "kind = 'reversal'", "wrong_reversal"),
    (T, "amount", "0", "kind = 'penalty'", "wrong_reversal"),
    (T, "balance_after", "'NaN'", "kind = 'bonus'", "broken_chain"),
    (T, "kind", "'gift'", "kind = 'bonus'", "broken_hash"),
    (T, "created_at", "'infinity'", "kind = 'bonus'", "broken_hash"),
    (T, "created_at", "'20000-01-01Z'", "kind = 'bonus'", "broken_hash"),
    (T, "created_at", "'4000-01-01Z BC'", "kind = 'bonus'", "broken_hash"),
    (T, "hash", "''", "kind = 'bonus'", "broken_hash"),
    ("public.wallets", "balance", "'NaN'", "version > 3", "wrong_balance"),
    (W, "amount", "'NaN'", "true", "no_withdrawal"),
    ("private.ledger_entries", "amount", "'NaN'", "account = 'rewards'", "unbalanced"),
    ("private.ledger_days", "amount", "'NaN'", "account = 'opening'", "wrong_day"),
    ("private.openings", "balance", "'NaN'", "true", "unopened"),
    ("private.ledger_seals", "heads", "substr(heads, 2)", "true", "broken_seal"),
    ("private.ledger_seals", "sealed_until", "'infinity'", "true", "broken_seal"),
    ("private.ledger_seals", "sealed_until", "'20000-01-01Z'", "true", "broken_seal"),
    (A, "request", "'[]'", "status = 'waiting'", "wrong_approval"),
    ("private.audit_log", "after", "'[]'", "action = 'transaction.booked'", "unbooked"),
    ("private.realtime_outbox", "payload", "'[]'", "payload ->> 'kind' = 'bonus'", "wrong_event"),
)
UNCHECKED = """
select format('alter table %s drop constraint %I', conrelid::regclass, conname) as drop
from pg_constraint where conrelid = $1::text::regclass and contype = 'c'
"""


@pytest.fixture
async def kept(busy: Database) -> dict[int, str]:
    """A seal over the busy ledger, as it is kept elsewhere."""
    seal = await sealed(busy)
    return {seal.id: seal.digest}


async def test_an_honest_ledger_gives_no_finding(busy: Database, kept: dict[int, str]) -> None:
    assert await findings(busy, kept) == []
    assert await findings(busy, kept, since_seal=True) == []


async def ledger_columns(database: Database) -> dict[str, set[str]]:
    """Every column of every table that is not known to stand beside the ledger."""
    rows = await database.fetch(
        "select table_schema || '.' || table_name as name, column_name from information_schema.columns "
        "where table_schema || '.' || table_name = any ($1::text[])",
        [table for table in OUR_TABLES if table not in BESIDE_THE_LEDGER],
    )
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["name"], set()).add(row["column_name"])
    return found


async def test_every_table_and_column_of_the_ledger_has_a_case(database: Database) -> None:
    columns = await ledger_columns(database)

    assert {f"{table}.{column}" for table in columns for column in columns[table]} == {
        *CHANGES,
        *NOTHING_RESTS_ON,
    }
    assert set(columns) == set(REMOVED) == set(ADDED)


@pytest.mark.parametrize("column", CHANGES)
async def test_a_changed_column_is_named(busy: Database, kept: dict[int, str], column: str) -> None:
    (table, _, name), (rows, value, fault) = column.rpartition("."), CHANGES[column]
    if table == T and name in WITHOUT_A_SHAPE:
        await busy.fetch(f"alter table {T} drop constraint wallet_transactions_kind_shape")
    if column == "private.ledger_seals.id":
        await busy.fetch("alter table private.ledger_seals alter column id set generated by default")

    await expect(busy, kept, fault, f"update {table} set {name} = {value} where {rows}")


@pytest.mark.parametrize(("table", "column", "value", "rows", "fault"), BEYOND)
async def test_what_no_check_would_let_in_is_named_too(
    busy: Database, kept: dict[int, str], table: str, column: str, value: str, rows: str, fault: str
) -> None:
    for check in await busy.fetch(UNCHECKED, table):
        await busy.fetch(check["drop"])

    await expect(busy, kept, fault, f"update {table} set {column} = {value} where {rows}")


@pytest.mark.parametrize("table", REMOVED)
async def test_a_removed_row_is_named(busy: Database, kept: dict[int, str], table: str) -> None:
    rows, fault = REMOVED[table]
    await expect(busy, kept, fault, f"delete from {table} where {rows}")


@pytest.mark.parametrize("table", [table for table, case in ADDED.items() if case is not ONE_ROW])
async def test_an_added_row_is_named(busy: Database, kept: dict[int, str], table: str) -> None:
    row, fault = ADDED[table]
    await expect(busy, kept, fault, f"insert into {table} {row}")


@pytest.mark.parametrize("table", [table for table, case in ADDED.items() if case is ONE_ROW])
async def test_where_there_is_one_row_no_other_is_added(busy: Database, table: str) -> None:
    with pytest.raises((asyncpg.UniqueViolationError, asyncpg.CheckViolationError)):
        await tamper(busy, f"insert into {table} select * from {table}")


@pytest.mark.parametrize(("fault", "damage"), BESIDE)
async def test_what_the_ledger_rests_on_is_named_too(
    busy: Database, kept: dict[int, str], fault: str, damage: str
) -> None:
    await expect(busy, kept, fault, damage)


async def expect(database: Database, kept: dict[int, str], fault: str, damage: str) -> None:
    """Do the *damage*, and see *fault* among what is named."""
    [changed] = await tamper(database, damage)
    assert not changed.endswith(" 0")
    assert fault in {finding.fault for finding in await findings(database, kept)}


async def test_a_row_removed_at_the_end_of_a_wallet_is_named(busy: Database, kept: dict[int, str]) -> None:
    newest = f"select max(version) from {T} x where x.user_id = t.user_id"
    cut = f"delete from {T} t where version > 3 and version = ({newest})"
    await expect(busy, kept, "wrong_balance", cut)


async def test_a_blanked_note_is_no_finding(busy: Database, kept: dict[int, str]) -> None:
    await busy.fetch(f"update {T} set note = null")
    assert await findings(busy, kept) == []


async def test_an_event_may_be_gone_after_its_time(busy: Database) -> None:
    await tamper(
        busy,
        f"update {T} set created_at = created_at - interval '8 days'",
        "delete from private.realtime_outbox",
    )
    assert "no_event" not in {finding.fault for finding in await findings(busy)}
