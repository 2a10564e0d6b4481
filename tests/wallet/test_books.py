"""What the database refuses to write, whoever asks: books that do not balance, and rows that do not follow."""

from dataclasses import dataclass

import asyncpg
import pytest

from contract.backend import PostgresBackend
from contract.test_transfers import pay
from support.database import Database

pytestmark = pytest.mark.anyio

# One wallet gets 5 as a bonus, honestly: what each case says instead is put in.
HONEST = {
    "previous": "w.hash",
    "kind": "'bonus'",
    "amount": "5",
    "after": "w.balance + 5",
    "version": "w.version + 1",
    "reference": "null::uuid",
    "counterparty": "null::uuid",
    "hash": "h.hash",
    "entries": "select id, 'adjustments', -5, at from h",
    "balance": "h.after",
    "moved_version": "h.version",
    "moved_hash": "h.hash",
}
STATEMENT = """
with r as (
  select gen_random_uuid() as id, w.user_id, {kind} as kind, ({amount})::numeric(12, 4) as amount,
         ({after})::numeric(12, 4) as after, {version} as version, {counterparty} as counterparty,
         {reference} as reference, clock_timestamp() as at, {previous} as previous
  from public.wallets w where w.version = 1
), h as (
  select r.*, private.transaction_hash(
    previous, row(id, user_id, kind, amount, after, version, counterparty, reference, null, at, null)
      ::public.wallet_transactions
  ) as hash
  from r
), moved as (
  update public.wallets w set balance = {balance}, version = {moved_version}, hash = {moved_hash}
  from h where w.user_id = h.user_id
), entry as (
  insert into private.ledger_entries (reference_id, account, amount, created_at) {entries}
)
insert into public.wallet_transactions
  (id, user_id, kind, amount, balance_after, version, counterparty_id, reference_id, created_at, hash)
select id, user_id, kind, amount, after, version, counterparty, reference, at, {hash} from h
"""


@dataclass(frozen=True, slots=True)
class Forgery:
    """What is not as it should be, in words and in SQL."""

    words: str
    change: dict[str, str]


NO_ENTRY = "select null::uuid, null, null::numeric, null::timestamptz where false"
TRANSFER = {"reference": "gen_random_uuid()", "counterparty": "gen_random_uuid()", "entries": NO_ENTRY}
FORGERIES = (
    Forgery("money from nowhere", {"entries": NO_ENTRY}),
    Forgery("an entry of less", {"entries": "select id, 'adjustments', -4.9999, at from h"}),
    Forgery("an entry of the same sign", {"entries": "select id, 'adjustments', 5, at from h"}),
    Forgery(
        "an entry that names another row",
        {"entries": "select gen_random_uuid(), 'adjustments', -5, at from h"},
    ),
    Forgery(
        "a second entry",
        {"entries": "select id, a, -5, at from h, (values ('adjustments'), ('rewards')) v (a)"},
    ),
    Forgery("a transfer with one side", {"kind": "'transfer_in'", **TRANSFER}),
    Forgery(
        "a transfer with an entry for its other side",
        {"kind": "'transfer_in'", **TRANSFER, "entries": "select id, 'adjustments', -5, at from h"},
    ),
    Forgery("a balance that is no sum", {"after": "w.balance + 6"}),
    Forgery("a version left out", {"version": "w.version + 2"}),
    Forgery("a hash of something else", {"hash": "sha256('')", "moved_hash": "sha256('')"}),
    Forgery("a hash that begins anew", {"previous": "null::bytea"}),
    Forgery("a wallet that says more", {"balance": "h.after + 1"}),
    Forgery(
        "a wallet that stays behind",
        {"balance": "w.balance", "moved_version": "w.version", "moved_hash": "w.hash"},
    ),
    Forgery("a wallet that is ahead", {"moved_version": "h.version + 1"}),
    Forgery("a wallet with another hash", {"moved_hash": "sha256('')"}),
)
ALONE = (
    "update public.wallets set balance = balance + 1 where version = 1",
    "update public.wallets set version = 2 where version = 1",
    "update public.wallets set hash = sha256('x') where version = 1",
    (
        "insert into private.ledger_entries (reference_id, account, amount, created_at) "
        "values (gen_random_uuid(), 'payouts_paid', 1, now())"
    ),
    (
        "insert into private.ledger_entries (reference_id, account, amount, created_at) "
        "select id, 'rewards', 1, now() from public.wallet_transactions"
    ),
    (
        "insert into private.ledger_entries (reference_id, account, amount, created_at) "
        "select reference_id, 'rewards', -amount, now() from private.ledger_entries"
    ),
)


async def refused(database: Database, statement: str) -> None:
    for url in (database.service_url, database.superuser_url):
        connection = await asyncpg.connect(url, statement_cache_size=0)
        try:
            with pytest.raises((asyncpg.CheckViolationError, asyncpg.UniqueViolationError)):
                await connection.execute(statement)
        finally:
            await connection.close()


async def test_what_is_honest_is_written(backend: PostgresBackend, database: Database) -> None:
    owner = await backend.user(balance="10.00")
    connection = await asyncpg.connect(database.service_url, statement_cache_size=0)
    try:
        assert await connection.execute(STATEMENT.format(**HONEST)) == "INSERT 0 1"
    finally:
        await connection.close()
    assert str((await backend.wallet(owner)).balance) == "15.00"


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.words)
async def test_no_statement_leaves_the_books_unbalanced(
    backend: PostgresBackend, database: Database, forgery: Forgery
) -> None:
    await backend.user(balance="10.00")
    await refused(database, STATEMENT.format(**{**HONEST, **forgery.change}))


@pytest.mark.parametrize("statement", ALONE)
async def test_nothing_moves_alone(backend: PostgresBackend, database: Database, statement: str) -> None:
    await backend.user(balance="10.00")
    await refused(database, statement)


async def test_sql_and_domain_hash_alike(backend: PostgresBackend, database: Database) -> None:
    one, other = await backend.user(balance="10.00"), await backend.user(balance="0.0001")
    await pay(backend, one, other, "2.505")
    await pay(backend, other, one, "0.1", key="back")

    rows = await database.fetch(
        """
        select t.hash = private.transaction_hash(p.hash, t) as alike
        from public.wallet_transactions t
        left join public.wallet_transactions p on p.user_id = t.user_id and p.version = t.version - 1
        """
    )

    assert [row["alike"] for row in rows] == [True] * 6
