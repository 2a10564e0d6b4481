"""What accounts come to: the sums of the days that are over, and the rows since."""

from decimal import Decimal
from typing import Final

from infrastructure.postgres.pool import Pool, acquire_connection
from infrastructure.postgres.queries import CALLER

# {at} is a time, or null for now. A day is kept once no transaction of it can be under way any more.
_BOOKS: Final = """
with wanted as (
  select coalesce(cast({at} as timestamptz), clock_timestamp()) as at
), kept as (
  select max(day) as day from private.ledger_days, wanted
  where day < cast(wanted.at at time zone 'UTC' as date)
), span as (
  select coalesce(cast(kept.day + 1 as timestamp) at time zone 'UTC', '-infinity') as since, wanted.at, kept.day
  from kept, wanted
), parts as (
  select d.account, sum(d.amount) as amount from private.ledger_days d, span where d.day <= span.day group by 1
  union all
  select 'wallets', sum(t.amount) from public.wallet_transactions t, span
  where t.created_at >= span.since and t.created_at <= span.at
  union all
  select e.account, sum(e.amount) from private.ledger_entries e, span
  where e.created_at >= span.since and e.created_at <= span.at
  group by 1
)
select a.account, coalesce(sum(p.amount), 0.0000) as total, a.place
from unnest(array['wallets', 'rewards', 'adjustments', 'payouts_pending', 'payouts_paid', 'opening'])
  with ordinality as a (account, place)
left join parts p on p.account = a.account
group by a.account, a.place order by a.place
"""
_IMBALANCE: Final = f"select sum(total) from ({_BOOKS.format(at='null')}) accounts"  # noqa: S608 - our own text
# $1 user, $2 session, $3 the roles that may see them, $4 the time.
CALLER_AND_BOOKS: Final = f"""
with {CALLER}
select c.*, b.account, b.total from caller c
left join lateral (
  select * from ({_BOOKS.format(at="$4")}) books where c.caller_role = any ($3::text[])
) b on true
order by b.place
"""  # noqa: S608
_SUM_DAY: Final = """
with next as (
  select coalesce(
    (select max(day) + 1 from private.ledger_days),
    (select cast(min(created_at) at time zone 'UTC' as date) from public.wallet_transactions)
  ) as day
), due as (
  select day, cast(day as timestamp) at time zone 'UTC' as since,
         cast(day + 1 as timestamp) at time zone 'UTC' as until
  from next
), sums as (
  select 'wallets' as account, coalesce(sum(t.amount), 0) as amount
  from due left join public.wallet_transactions t on t.created_at >= due.since and t.created_at < due.until
  union all
  select e.account, sum(e.amount)
  from due join private.ledger_entries e on e.created_at >= due.since and e.created_at < due.until
  group by 1
), kept as (
  insert into private.ledger_days (day, account, amount)
  select due.day, sums.account, sums.amount from due, sums where due.until < now() - interval '1 hour'
  on conflict do nothing
  returning true
)
select exists (select from kept)
"""


class PostgresBooks:
    """The books of everybody on the shared database.

    Raises:
        Unavailable: the database does not answer.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def sum_day(self) -> bool:
        """Sum the first day that is over and not summed yet; whether there was one."""
        async with acquire_connection(self._pool) as connection:
            return bool(await connection.fetchval(_SUM_DAY))

    async def imbalance(self) -> Decimal:
        """What all accounts come to: zero."""
        async with acquire_connection(self._pool) as connection:
            return Decimal(await connection.fetchval(_IMBALANCE))
