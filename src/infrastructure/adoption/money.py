"""The app's money becomes the ledger's: balances are brought along, what was written before stays as history.

Builds in the field go on reading ``profiles.balance`` and ``transactions``; triggers keep both up to date. Whatever
wrote money before must be switched off: the doctor tells when it was not. These steps run after the migrations.
"""

from collections.abc import Mapping
from operator import attrgetter
from typing import Final

import asyncpg

from domain.audit import AuditAction
from domain.money import LIMIT, PLACES
from infrastructure.adoption.mirrored import MIRRORED
from infrastructure.adoption.posts import clip_tables
from infrastructure.adoption.shape import PROFILES, TRANSACTIONS, Shape
from infrastructure.adoption.steps import Adoption, Step, attach, in_batches, trigger
from infrastructure.doctor.catalogue import expected
from infrastructure.postgres.accounts import OPENING

HISTORY: Final = (TRANSACTIONS, "public.withdrawals", "public.reward_rates")
"""Tables of the app that clients write no more."""
BATCH: Final = 1_000
MIRRORS: Final = "money.mirrors"
"""The step from which on whatever is in the old places came from the ledger."""

_FITS: Final = f"balance > 0 and balance <= {LIMIT} and balance = round(balance, {PLACES})"
# NaN is above every number in PostgreSQL: it is not zero, and does not fit.
_ODD: Final = f"balance <> 0 and not ({_FITS})"
# $1 from whom on, $2 the word of the audit log. Who is left has no record yet, so that a batch that was cut off is done
# again.
_OPEN: Final = f"""
with taken as materialized (
  select p.id::uuid as user_id, p.balance::numeric as balance
  from public.profiles p
  where p.id::uuid >= $1
    and not exists (select from private.openings o where o.user_id >= $1 and o.user_id = p.id::uuid)
  order by p.id::uuid limit {BATCH}
), given as (
  select user_id, balance as amount from taken where {_FITS}
), {OPENING}, odd as (
  select user_id, balance from taken where {_ODD}
), frozen as (
  insert into public.wallets (user_id, frozen) select user_id, true from odd
  on conflict (user_id) do update set frozen = true
), audited as (
  insert into private.audit_log (id, operator, action, target_id, before, after, reason, request_id, occurred_at)
  select gen_random_uuid(), session_user, $2, user_id, jsonb_build_object('balance', balance::text), '{{}}',
         'no wallet can hold this balance', 'lingualink adopt', clock_timestamp()
  from odd
), recorded as (
  insert into private.openings (user_id, balance, transaction_id)
  select t.user_id, t.balance, h.id from taken t left join hashed h on h.user_id = t.user_id
)
select user_id from taken order by user_id desc limit 1
"""  # noqa: S608 - our own text
# {clips} are (id, author, settled).
_SETTLED: Final = """
with clips as (
  {clips}
)
insert into private.adopted_earnings (post_id)
select id from clips where settled {paid_for}
on conflict do nothing
"""
# Who voted was paid for the clip, too: only what its author got counts.
_PAID_FOR: Final = """
union
select c.id from clips c join public.transactions t
  on lower(t.reference_id::text) = lower(c.id::text) and lower(t.user_id::text) = lower(c.author)
where t.type = 'earning'
"""
# $1 action, $2 amount, $3 the word of the audit log
_SET_RATE: Final = """
with before as (
  select amount from private.reward_rates where action = $1
), changed as (
  insert into private.reward_rates (action, amount) values ($1, $2)
  on conflict (action) do update set amount = excluded.amount, updated_at = now()
  where reward_rates.amount <> excluded.amount
  returning amount
)
insert into private.audit_log (id, operator, action, before, after, reason, request_id, occurred_at)
select gen_random_uuid(), session_user, $3, jsonb_build_object('amount', (select amount from before)::text),
       jsonb_build_object('action', $1::text, 'amount', amount::text), 'confirmed', 'lingualink adopt',
       clock_timestamp()
from changed
"""


def _has_balances(shape: Shape) -> bool:
    return shape.has(PROFILES, "balance")


def money_guards(shape: Shape) -> Mapping[str, str]:
    """The triggers that close the old places of money to clients, by what the doctor's catalogue would call them."""
    model = "public.wallets"
    refuse = expected().items[f"trigger zz_refuse_clients on {model}"]
    tables = [table for table in HISTORY if table in shape.tables]
    guards = {f"trigger zz_refuse_clients on {table}": refuse.replace(model, table) for table in tables}
    if _has_balances(shape):
        guards |= trigger("zz_guard_balance", "guard_balance", "BEFORE UPDATE", PROFILES)
    return guards


def money_mirrors(shape: Shape) -> Mapping[str, str]:
    """The triggers through which builds in the field go on reading, in the same form."""
    mirrors: dict[str, str] = {}
    if _has_balances(shape):
        when = "AFTER INSERT OR UPDATE OF balance"
        mirrors |= trigger("zz_mirror_balance", "mirror_balance", when, "public.wallets")
    if shape.has(TRANSACTIONS, *MIRRORED):
        table = "public.wallet_transactions"
        mirrors |= trigger("zz_mirror_transaction", "mirror_transaction", "AFTER INSERT", table)
    return mirrors


async def _let_go(connection: asyncpg.Connection, adoption: Adoption) -> None:
    for name in money_mirrors(adoption.shape):
        await connection.execute(f"drop {name.replace('trigger', 'trigger if exists', 1)}")


async def _settle_earnings(connection: asyncpg.Connection, adoption: Adoption) -> None:
    shape = adoption.shape
    clips = [
        f"select id::uuid as id, user_id::text as author, {_is_settled(shape, table)} as settled from {table}"  # noqa: S608
        for table in clip_tables(shape)
    ]
    paid_for = _PAID_FOR if shape.has(TRANSACTIONS, "reference_id", "user_id", "type") else ""
    await connection.execute(_SETTLED.format(clips=" union all ".join(clips), paid_for=paid_for))


def _is_settled(shape: Shape, table: str) -> str:
    """Whether the app of before had approved a clip, or let it earn."""
    marks = [f"coalesce({name}, false)" for name in ("is_monetization_unlocked",) if shape.has(table, name)]
    return " or ".join(["coalesce(status = 'approved', false)", *marks])


async def _set_rates(connection: asyncpg.Connection, adoption: Adoption) -> None:
    for action, rate in adoption.rates.items():
        await connection.execute(_SET_RATE, action, rate.amount, AuditAction.REWARD_RATE_CHANGED)


MONEY_STEPS: Final = (
    Step(
        "money.closed",
        "clients can no longer write balances, transactions, withdrawals and rates of the app",
        lambda connection, adoption: attach(connection, money_guards(adoption.shape)),
        in_transaction=False,
    ),
    Step(
        "money.openings",
        f"balances become the first entry of a wallet, {BATCH:,} at a time; wallets of impossible ones are frozen",
        lambda connection, _: in_batches(connection, _OPEN, AuditAction.WALLET_FROZEN),
        in_transaction=False,
        applies=_has_balances,
    ),
    Step(
        "money.earned",
        "clips that were approved or paid for before are settled: nobody is paid for one of them again",
        _settle_earnings,
        in_transaction=False,
        applies=attrgetter("has_clips"),
    ),
    Step(
        MIRRORS,
        "builds in the field go on reading balances and transactions: triggers write them there too",
        lambda connection, adoption: attach(connection, money_mirrors(adoption.shape)),
        in_transaction=False,
    ),
    Step("money.rates", "what is paid from now on, as it was confirmed", _set_rates),
)
"""What makes the app's money ours, in this order, after the migrations."""

MONEY_RETIREMENT: Final = Step(
    "legacy.money",
    "balances and transactions are no longer written to the app's old places: what is there stays as it is",
    _let_go,
)
"""What ends when no build in use reads the old places any more."""
