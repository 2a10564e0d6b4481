"""What somebody with the service's password can do about money: each is refused, or named by the ledger's proof."""

from dataclasses import dataclass

import asyncpg
import pytest

from contract.backend import PostgresBackend
from contract.test_withdrawals import COMPLETED, held, settle
from domain.identity import Role
from support.database import Database
from wallet.test_reconcile import findings, record_staff

pytestmark = pytest.mark.anyio

POST = """
with r as (
  select gen_random_uuid() as id, w.user_id, w.hash as previous, {kind} as kind, 1000.0000 as amount,
         w.balance + 1000 as after, w.version + 1 as version, {reference}::uuid as reference, clock_timestamp() as at
  from public.wallets w where w.user_id = '{me}'
), h as (
  select r.*, private.transaction_hash(
    previous, row(id, user_id, kind, amount, after, version, null, reference, null, at, null)
      ::public.wallet_transactions
  ) as hash
  from r
), moved as (
  update public.wallets w set balance = h.after, version = h.version, hash = h.hash
  from h where w.user_id = h.user_id
), entry as (
  insert into private.ledger_entries (reference_id, account, amount, created_at)
  select id, '{account}', -amount, at from h
), event as (
  insert into private.realtime_outbox (event_id, topic, event, payload)
  select gen_random_uuid(), 'user:' || user_id, 'balance_updated',
         jsonb_build_object('user_id', user_id, 'transaction_id', id)
  from h
)
insert into public.wallet_transactions
  (id, user_id, kind, amount, balance_after, version, reference_id, created_at, hash)
select id, user_id, kind, amount, after, version, reference, at, hash from h
"""


def money(kind: str, account: str, reference: str = "null") -> str:
    """A complete, balanced, hashed row with its event: nothing is wrong with it but that nobody decided it."""
    sql = POST.replace("{kind}", f"'{kind}'").replace("{account}", account)
    return sql.replace("{reference}", reference)


@dataclass(frozen=True, slots=True)
class Forgery:
    """What is tried, and the fault that it is named as; refused where there is none."""

    words: str
    sql: str
    fault: str | None = None


FORGERIES = (
    Forgery("a bonus that nobody gave", money("bonus", "adjustments"), "unbooked"),
    Forgery("a refund that nobody gave", money("refund", "adjustments"), "unbooked"),
    Forgery("an earning for no post", money("earning", "rewards", "gen_random_uuid()"), "unearned"),
    Forgery(
        "an earning for a post that nobody approved", money("earning", "rewards", "'{post}'"), "unearned"
    ),
    Forgery("a balance brought along", money("opening", "opening")),
    Forgery("a bonus on the wrong account", money("bonus", "rewards"), "unbalanced"),
    Forgery("a raised balance", "update public.wallets set balance = balance + 1000 where user_id = '{me}'"),
    Forgery(
        "a wallet opened full",
        "insert into public.wallets (user_id, balance, version, hash) "
        "values (gen_random_uuid(), 1000, 1, sha256(''))",
    ),
    Forgery(
        "an entry of its own",
        "insert into private.ledger_entries (reference_id, account, amount, created_at) "
        "values (gen_random_uuid(), 'payouts_pending', 1000, now())",
    ),
    Forgery(
        "two entries that belong to nothing",
        "insert into private.ledger_entries (reference_id, account, amount, created_at) "
        "select id, v.account, v.amount, now() from (select gen_random_uuid() as id) x, "
        "(values ('payouts_paid', 1000), ('payouts_pending', -1000)) v (account, amount)",
        "stray_entry",
    ),
    Forgery("an admin", "update public.profiles set role = 'admin' where id = '{me}'", "role_without_record"),
    Forgery(
        "an approval",
        "update private.posts set validation_status = 'approved', validated_by = '{admin}', validated_at = now() "
        "where id = '{post}'",
        "decision_without_record",
    ),
    Forgery(
        "an approval that says nothing of who made it",
        "update private.posts set validation_status = 'approved' where id = '{post}'",
    ),
    Forgery("a rate", "update private.reward_rates set amount = 1000", "rate_without_record"),
    Forgery(
        "a withdrawal without money",
        "insert into public.wallet_withdrawals (id, user_id, amount, transaction_id, created_at) "
        "values (gen_random_uuid(), '{me}', 1000, gen_random_uuid(), now())",
        "unheld_withdrawal",
    ),
    Forgery(
        "a settlement that nobody made",
        "update public.wallet_withdrawals set status = 'completed', settled_by = '{admin}', settled_at = now() "
        "where status = 'held'",
        "unrecorded_settlement",
    ),
    Forgery(
        "a settlement turned round",
        "update public.wallet_withdrawals set status = 'failed' where status = 'completed'",
    ),
    Forgery(
        "a ledger row changed", "update public.wallet_transactions set amount = 1000 where user_id = '{me}'"
    ),
    Forgery("a ledger row removed", "delete from public.wallet_transactions where user_id = '{me}'"),
    Forgery("an entry changed", "update private.ledger_entries set account = 'rewards'"),
    Forgery("the audit log cut", "delete from private.audit_log"),
    Forgery("the audit log reworded", "update private.audit_log set actor_id = '{me}'"),
    Forgery(
        "an operator's record",
        "insert into private.audit_log (id, operator, action, target_id, before, after, request_id, occurred_at) "
        "values (gen_random_uuid(), 'postgres', 'role.changed', '{me}', '{{}}', '{{\"role\": \"admin\"}}', 'x', now())",
    ),
    Forgery(
        "a stored answer rewritten",
        "update private.idempotency_keys set body = '{{}}' where body is not null",
    ),
    Forgery(
        "an event to another topic",
        "insert into private.realtime_outbox (event_id, topic, event, payload) "
        "values (gen_random_uuid(), 'everybody', 'balance_updated', '{{}}')",
    ),
    Forgery(
        "an event about one user to another",
        "insert into private.realtime_outbox (event_id, topic, event, payload) "
        "values (gen_random_uuid(), 'user:{admin}', 'balance_updated', '{{\"user_id\": \"{me}\"}}')",
    ),
    Forgery("an event reworded", "update private.realtime_outbox set payload = '{{}}'"),
    Forgery(
        "a delivery taken back",
        "update private.realtime_outbox set delivered_at = null where delivered_at is not null",
    ),
    Forgery("a lease without end", "update private.relay_lease set expires_at = 'infinity'"),
    Forgery(
        "days summed ahead",
        "insert into private.ledger_days (day, account, amount) values (current_date + 1, 'wallets', 1)",
    ),
    Forgery(
        "a day that never was",
        "insert into private.ledger_days (day, account, amount) values (current_date - 9, 'wallets', 1)",
        "wrong_day",
    ),
    Forgery("an epoch", "update private.ledger_epoch set epoch = 9"),
    Forgery("a seal removed", "delete from private.ledger_seals"),
    Forgery(
        "a seal of tomorrow",
        "insert into private.ledger_seals (sealed_until, heads, digest) "
        "values (now() + interval '1 day', '', sha256(''))",
    ),
    Forgery(
        "a seal over nothing",
        "insert into private.ledger_seals (sealed_until, heads, digest) values (now(), '', sha256(''))",
        "broken_seal",
    ),
)


async def attempt(database: Database, sql: str) -> str:
    connection = await asyncpg.connect(database.service_url, statement_cache_size=0)
    try:
        return await connection.execute(sql)
    finally:
        await connection.close()


@pytest.fixture
async def thief(backend: PostgresBackend, database: Database) -> dict[str, object]:
    """Whom the forgeries are about, on an honest ledger with something of most things."""
    admin, me = await backend.user(Role.ADMIN), await backend.user(balance="10.00")
    post = await backend.post(me)
    await backend.rate("1.00")
    await settle(backend, admin, await held(backend, me, "1", key="a"), COMPLETED)
    await held(backend, me, "2", key="b")
    await record_staff(database)
    await database.fetch("update private.realtime_outbox set delivered_at = now()")
    return {"me": me.user_id, "admin": admin.user_id, "post": post.id}


@pytest.mark.usefixtures("thief")
async def test_without_a_forgery_nothing_is_named(database: Database) -> None:
    assert await findings(database) == []


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.words)
async def test_the_services_password_makes_no_money_unseen(
    database: Database, thief: dict[str, object], forgery: Forgery
) -> None:
    sql = forgery.sql.format(**thief)

    if forgery.fault is None:
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.CheckViolationError)):
            await attempt(database, sql)
        assert await findings(database) == []
    else:
        assert not (await attempt(database, sql)).endswith(" 0")
        assert forgery.fault in {finding.fault for finding in await findings(database)}


@pytest.mark.usefixtures("thief")
async def test_young_keys_can_not_be_forgotten(database: Database) -> None:
    assert (
        await attempt(database, "delete from private.idempotency_keys where status is not null") == "DELETE 0"
    )


async def test_keys_can_not_be_made_old(database: Database) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await attempt(
            database,
            "insert into private.idempotency_keys (user_id, key, fingerprint, created_at) "
            "values (gen_random_uuid(), 'k', '', now() - interval '31 days')",
        )
