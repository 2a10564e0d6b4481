"""What somebody with the service's password can do about money: each is refused, or named by the ledger's proof."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

import asyncpg
import pytest

from contract.backend import postgres_backend
from contract.test_limits import asked
from contract.test_validation import decide
from contract.test_withdrawals import COMPLETED, held, settle
from devstack.postgres import LocalPostgres
from domain.identity import Role
from domain.posts import PostStatus
from support.database import Database, cloned
from support.ledger import findings, record_staff, sealed

pytestmark = pytest.mark.anyio

REFUSALS = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.CheckViolationError,
    asyncpg.UniqueViolationError,
)
POST = """
with r as (
  select gen_random_uuid() as id, w.user_id, w.hash as previous, '{kind}' as kind, 1000.0000 as amount,
         w.balance + 1000 as after, w.version + 1 as version, {reference}::uuid as reference,
         clock_timestamp() - interval '{age}' as at
  from public.wallets w where w.user_id = '{me}'
), h as (
  select r.*, private.transaction_hash(
    previous, row(id, user_id, kind, amount, after, version, null, reference, null, at, null)
      ::public.wallet_transactions
  ) as hash
  from r
), moved as (
  update public.wallets w set balance = h.after, version = h.version, hash = h.hash, updated_at = at
  from h where w.user_id = h.user_id
), entry as (
  insert into private.ledger_entries (reference_id, account, amount, created_at)
  select id, '{account}', -amount, at from h
), event as (
  insert into private.realtime_outbox (event_id, topic, event, payload)
  select gen_random_uuid(), 'user:' || user_id, 'balance_updated',
         jsonb_build_object('user_id', user_id, 'transaction_id', id, 'kind', kind, 'version', version,
                            'amount', amount::text, 'balance', after::text)
  from h
), record as (
  insert into private.audit_log
    (id, actor_id, session_id, action, target_id, before, after, request_id, occurred_at)
  select gen_random_uuid(), {actor}, gen_random_uuid(), '{action}', user_id, '{{}}',
         jsonb_build_object('transaction_id', id, 'kind', kind, 'amount', '{amount}'), 'x', at
  from h where {actor} is not null
)
insert into public.wallet_transactions
  (id, user_id, kind, amount, balance_after, version, reference_id, created_at, hash)
select id, user_id, kind, amount, after, version, reference, at, hash from h
"""
RECORD = (
    "insert into private.audit_log (id, actor_id, session_id, action, target_id, before, after, refusal, request_id, "
    "occurred_at) values (gen_random_uuid(), {actor}, gen_random_uuid(), '{action}', '{me}', '{{}}', '{after}', "
    "{refusal}, 'x', clock_timestamp() + interval '{age}')"
)


def money(kind: str, account: str, **more: str) -> str:
    """A complete, balanced, hashed row with its event: nothing is wrong with it but what *more* says.

    Nobody decided it, unless an ``actor`` is named who recorded it.
    """
    said = {"reference": "null", "age": "0", "actor": "null::uuid", "action": "transaction.booked", **more}
    return _with(POST, {"kind": kind, "account": account, "amount": "1000.00", **said})


def record(action: str, after: str, actor: str = "gen_random_uuid()", **more: str) -> str:
    """A record in the audit log, about the thief."""
    said = {"action": action, "after": after, "actor": actor, "refusal": "null", "age": "0", **more}
    return _with(RECORD, said)


def _with(sql: str, words: dict[str, str]) -> str:
    for name, value in words.items():
        sql = sql.replace(f"{{{name}}}", value)
    return sql


def quoted(name: str) -> str:
    """The id of whom the fixture calls *name*."""
    return f"'{{{name}}}'"


WORD = "'forbidden'"
MAKE_ADMIN = "update public.profiles set role = 'admin' where id = '{me}'"
ADMIN = '{{"role": "admin"}}'
EVENT = (
    "insert into private.realtime_outbox (event_id, topic, event, payload) "
    "select gen_random_uuid(), topic, event, payload || '{changed}' from private.realtime_outbox "
    "where event = 'balance_updated' limit 1"
)


@dataclass(frozen=True, slots=True)
class Forgery:
    """What is tried, and the fault that it is named as; refused where there is none."""

    words: str
    sql: str
    fault: str | None = None


FORGERIES = (
    Forgery("a bonus that nobody gave", money("bonus", "adjustments"), "unbooked"),
    Forgery("a refund that nobody gave", money("refund", "adjustments"), "unbooked"),
    Forgery(
        "a bonus that a stranger gave",
        money("bonus", "adjustments", actor="gen_random_uuid()"),
        "unentitled_record",
    ),
    Forgery(
        "a bonus that somebody gave themselves",
        money("bonus", "adjustments", actor="'{me}'::uuid"),
        "unentitled_record",
    ),
    Forgery(
        "a bonus that was recorded as less",
        money("bonus", "adjustments", actor="'{admin}'::uuid", amount="1.00"),
        "unbooked",
    ),
    Forgery(
        "a bonus that was recorded as something else",
        money("bonus", "adjustments", actor="'{admin}'::uuid", action="user.read"),
        "unbooked",
    ),
    Forgery("a bonus of yesterday", money("bonus", "adjustments", age="1 day")),
    Forgery("a bonus of tomorrow", money("bonus", "adjustments", age="-1 day")),
    Forgery("an earning for no post", money("earning", "rewards", reference="gen_random_uuid()"), "unearned"),
    Forgery(
        "an earning for a post that nobody approved",
        money("earning", "rewards", reference="'{post}'"),
        "unearned",
    ),
    Forgery("a second earning for one post", money("earning", "rewards", reference="'{paid}'")),
    Forgery(
        "a withdrawal that was paid, given back",
        money("reversal", "payouts_pending", reference="'{taken}'"),
        "wrong_settlement",
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
    Forgery("an admin", MAKE_ADMIN, "role_without_record"),
    Forgery(
        "an admin by their own word",
        f"{MAKE_ADMIN}; {record('role.changed', ADMIN, quoted('me'))}",
        "unentitled_record",
    ),
    Forgery(
        "an admin by a stranger's word", f"{MAKE_ADMIN}; {record('role.changed', ADMIN)}", "unentitled_record"
    ),
    Forgery(
        "an admin by a request that was refused",
        f"{MAKE_ADMIN}; {record('role.changed', ADMIN, quoted('admin'), refusal=WORD)}",
        "role_without_record",
    ),
    Forgery("a record of yesterday", record("role.changed", ADMIN, quoted("admin"), age="-1 day")),
    Forgery("a record of tomorrow", record("role.changed", ADMIN, quoted("admin"), age="1 day")),
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
        "a rate by a stranger's word",
        "update private.reward_rates set amount = 1000; "
        + record("reward_rate.changed", '{{"action": "post_approved", "amount": "1000.00"}}'),
        "unentitled_record",
    ),
    Forgery(
        "an approval of a post of yesterday",
        "update private.posts set validation_status = 'approved', validated_by = '{admin}', "
        "validated_at = now() - interval '1 day' where id = '{post}'",
    ),
    Forgery(
        "a request that nobody made",
        "insert into private.approvals (id, action, target_id, request, requested_by, created_at, expires_at) "
        "values (gen_random_uuid(), 'vault.adjust_balance', '{me}', "
        """'{{"kind": "bonus", "amount": "9000.00", "note": "n"}}', '{admin}', now(), now() + interval '7 days')""",
        "wrong_approval",
    ),
    Forgery(
        "a request that was never asked for, agreed to",
        "insert into private.approvals (id, action, target_id, request, requested_by, created_at, expires_at, status, "
        "decided_by, decided_at) values (gen_random_uuid(), 'vault.adjust_balance', '{me}', '{{}}', '{admin}', now(), "
        "now() + interval '7 days', 'approved', '{me}', now())",
    ),
    Forgery(
        "an agreement that nobody gave",
        "update private.approvals set status = 'approved', decided_by = '{other}', decided_at = now() "
        "where status = 'waiting'",
        "wrong_approval",
    ),
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
        "a settlement of yesterday",
        "update public.wallet_withdrawals set status = 'completed', settled_by = '{admin}', "
        "settled_at = now() - interval '1 day' where status = 'held'",
    ),
    Forgery(
        "a withdrawal that was settled before it was held",
        "insert into public.wallet_withdrawals "
        "(id, user_id, amount, transaction_id, created_at, status, settled_by, settled_at) "
        "values (gen_random_uuid(), '{me}', 1, gen_random_uuid(), now(), 'completed', '{admin}', now())",
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
    Forgery(
        "an event with another balance", EVENT.replace("{changed}", '{{"balance": "9000.00"}}'), "wrong_event"
    ),
    Forgery(
        "an event of nothing",
        EVENT.replace("{changed}", '{{"transaction_id": "00000000-0000-4000-8000-000000000000"}}'),
        "wrong_event",
    ),
    Forgery("an event kept back", "delete from private.realtime_outbox", "no_event"),
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


Template = tuple[str, dict[str, object]]


@pytest.fixture(scope="module")
def template(projects: LocalPostgres) -> Iterator[Template]:
    """An honest ledger with something of most things, and whom the forgeries are about."""
    with cloned(projects) as made:
        people = asyncio.run(_fill(made))
        yield made.name, people


async def _fill(database: Database) -> dict[str, object]:
    async with postgres_backend(database) as backend:
        admin, other = await backend.user(Role.ADMIN), await backend.user(Role.ADMIN)
        me = await backend.user(balance="10.00")
        post, paid = await backend.post(me), await backend.post(me)
        await backend.rate("1.00")
        await decide(backend, admin, paid, PostStatus.APPROVED, seen=1)
        taken = await held(backend, me, "1", key="a")
        await settle(backend, admin, taken, COMPLETED)
        await held(backend, me, "2", key="b")
        await asked(backend, admin, me, "500")
        await record_staff(database)
        await database.fetch("update private.realtime_outbox set delivered_at = now()")
    return {
        "me": me.user_id,
        "admin": admin.user_id,
        "other": other.user_id,
        "post": post.id,
        "paid": paid.id,
        "taken": taken.transaction_id,
    }


@pytest.fixture
def database(projects: LocalPostgres, template: Template) -> Iterator[Database]:
    """Such a ledger of the test's own."""
    with cloned(projects, template[0]) as made:
        yield made


@pytest.fixture
def thief(template: Template) -> dict[str, object]:
    """Whom the forgeries are about."""
    return template[1]


async def test_without_a_forgery_nothing_is_named(database: Database) -> None:
    assert await findings(database) == []


@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.words)
async def test_the_services_password_makes_no_money_unseen(
    database: Database, thief: dict[str, object], forgery: Forgery
) -> None:
    sql = forgery.sql.format(**thief)

    if forgery.fault is None:
        with pytest.raises(REFUSALS):
            await attempt(database, sql)
        assert await findings(database) == []
    else:
        assert not (await attempt(database, sql)).endswith(" 0")
        assert forgery.fault in {finding.fault for finding in await findings(database)}


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


async def test_a_bonus_that_its_maker_sealed_is_named_from_the_last_seal_that_was_kept(
    database: Database, thief: dict[str, object]
) -> None:
    kept = await sealed(database)
    await attempt(database, money("bonus", "adjustments").format(**thief))
    await sealed(database)  # with the same password

    assert await findings(database, since_seal=True) == []
    found = await findings(database, {kept.id: kept.digest}, since_seal=True)

    assert {finding.fault for finding in found} == {"unbooked"}
