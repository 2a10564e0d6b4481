"""The SQL of the proof: each row with all that it must agree with, and whatever no row leads to."""

from typing import Final

from domain.reconciliation import Entry

ROW: Final = tuple(field for field in Entry.__dataclass_fields__)


def _columns(table: str, prefix: str = "") -> str:
    return ", ".join(f"{table}.{column} as {prefix}{column}" for column in ROW)


# $1 the time after which rows are read, or null. Every join is a look-up in an index, so that rows flow from the first
# moment. An audit row has the time of what it records, and its target: that is how it is found.
LINES: Final = f"""
select {_columns("t")}, w.balance, w.version as wallet_version, w.hash as wallet_hash,
       {_columns("o", "o_")}, {_columns("p", "p_")},
       d.amount as d_amount, d.status as d_status, d.transaction_id as d_transaction_id, r.amount as given_back,
       e.accounts, e.amounts,
       t.kind in ('transfer_in', 'transfer_out', 'withdrawal')
       or t.kind = 'opening' and exists (
         select from private.openings g
         where g.transaction_id = t.id and g.user_id = t.user_id and g.balance = t.amount
       )
       or exists (
         select from private.audit_log a
         where a.occurred_at = t.created_at and a.refusal is null
           and t.id::text in (a.after ->> 'transaction_id', a.after ->> 'other_transaction_id')
           and coalesce((a.after ->> 'user_id')::uuid, t.user_id) = t.user_id
           and a.target_id = case
             when t.kind = 'earning' then t.reference_id
             when t.kind <> 'reversal' and a.action = 'approval.decided' then a.target_id
             when t.kind <> 'reversal' then t.user_id
             when o.kind in ('earning', 'withdrawal') then o.reference_id
             else (a.after ->> 'corrects')::uuid
           end
       ) as is_recorded,
       t.kind <> 'earning' or exists (
         select from private.posts x where x.id = t.reference_id and x.author_id = t.user_id
       ) as is_of_post
from public.wallet_transactions t
left join public.wallets w on w.user_id = t.user_id
left join public.wallet_transactions p
  on $1::timestamptz is not null and p.user_id = t.user_id and p.version = t.version - 1
left join lateral (
  select x.* from public.wallet_transactions x
  where t.kind in ('transfer_in', 'transfer_out') and x.reference_id = t.reference_id
    and x.kind = case t.kind when 'transfer_in' then 'transfer_out' else 'transfer_in' end
  union all
  select x.* from public.wallet_transactions x where t.kind = 'reversal' and x.id = t.reference_id
) o on true
left join lateral (
  select array_agg(x.account order by x.account) as accounts, array_agg(x.amount order by x.account) as amounts
  from private.ledger_entries x where x.reference_id = t.id
) e on true
left join public.wallet_withdrawals d on t.kind = 'withdrawal' and d.id = t.reference_id
left join public.wallet_transactions r
  on t.kind = 'withdrawal' and r.kind = 'reversal' and r.reference_id = t.id
where $1::timestamptz is null or t.created_at > $1
order by t.user_id, t.version
"""  # noqa: S608 - our own column list

_TOTALS = """
select (created_at at time zone 'UTC')::date as day, 'wallets' as account, sum(amount) as amount
from public.wallet_transactions group by 1, 2
union all
select (created_at at time zone 'UTC')::date, account, sum(amount) from private.ledger_entries group by 1, 2
"""
# What no row leads to, by fault: the query, and whether it takes the time for which events are kept ($1).
STRAYS: Final = {
    "empty_ledger": (
        """
        select w.user_id, w.user_id as subject,
               format('the wallet says %s at version %s, the ledger has no row', w.balance, w.version) as detail
        from public.wallets w
        where (w.balance <> 0 or w.version <> 0)
          and not exists (select from public.wallet_transactions t where t.user_id = w.user_id)
        """,
        False,
    ),
    "wrong_balance": (
        """
        select w.user_id, t.id as subject,
               format('the wallet says %s at version %s, its newest row %s at version %s; or their hashes differ',
                      w.balance, w.version, t.balance_after, t.version) as detail
        from public.wallets w
        cross join lateral (
          select * from public.wallet_transactions x where x.user_id = w.user_id order by x.version desc limit 1
        ) t
        where (w.balance, w.version, w.hash) is distinct from (t.balance_after, t.version, t.hash)
        """,
        False,
    ),
    "unheld_withdrawal": (
        """
        select d.user_id, d.id as subject, format('no transaction %s took its money', d.transaction_id) as detail
        from public.wallet_withdrawals d
        where not exists (
          select from public.wallet_transactions t
          where t.id = d.transaction_id and t.reference_id = d.id and t.kind = 'withdrawal' and t.user_id = d.user_id
        )
        """,
        False,
    ),
    "unrecorded_settlement": (
        """
        select d.user_id, d.id as subject, format('the audit log knows of no settlement as %s', d.status) as detail
        from public.wallet_withdrawals d
        where d.status <> 'held' and not exists (
          select from private.audit_log a
          where a.occurred_at = d.settled_at and a.refusal is null and a.actor_id = d.settled_by
            and a.after ->> 'status' = d.status
            and (
              a.target_id = d.id or a.action = 'approval.decided' and a.after ->> 'withdrawal_id' = d.id::text
            )
        )
        """,
        False,
    ),
    "unbalanced_payout": (
        """
        select d.user_id, d.id as subject, format('%s of %s against %s', d.status, d.amount, e.moved) as detail
        from public.wallet_withdrawals d
        left join lateral (
          select string_agg(x.account || ' ' || x.amount, ', ' order by x.account) as moved
          from private.ledger_entries x where x.reference_id = d.id
        ) e on true
        where e.moved is distinct from case d.status
          when 'completed' then format('payouts_paid %s, payouts_pending %s', d.amount, -d.amount)
        end
        """,
        False,
    ),
    "stray_entry": (
        """
        select null::uuid as user_id, e.reference_id as subject,
               format('%s on %s belongs to nothing', e.amount, e.account) as detail
        from private.ledger_entries e
        where not exists (select from public.wallet_transactions t where t.id = e.reference_id)
          and not exists (select from public.wallet_withdrawals d where d.id = e.reference_id)
        """,
        False,
    ),
    "late_entry": (
        """
        select t.user_id, t.id as subject, format('its entry was made %s', e.created_at) as detail
        from private.ledger_entries e
        join public.wallet_transactions t on t.id = e.reference_id
        where e.created_at <> t.created_at
        union all
        select d.user_id, d.id, format('its entries were made %s', e.created_at)
        from private.ledger_entries e
        join public.wallet_withdrawals d on d.id = e.reference_id
        where e.created_at is distinct from d.settled_at
        """,
        False,
    ),
    "imbalance": (
        """
        select null::uuid as user_id, 'books' as subject, format('all accounts sum to %s', sum(amount)) as detail
        from (
          select sum(balance) as amount from public.wallets
          union all
          select sum(amount) from private.ledger_entries
        ) totals
        having sum(amount) <> 0
        """,
        False,
    ),
    "wrong_day": (
        f"""
        select null::uuid as user_id, format('%s %s', day, account) as subject,
               format('kept as %s, the rows sum to %s', k.amount, r.amount) as detail
        from private.ledger_days k
        full join (
          select * from ({_TOTALS}) totals where day <= (select max(day) from private.ledger_days)
        ) r using (day, account)
        where coalesce(k.amount, 0) <> coalesce(r.amount, 0)
        """,  # noqa: S608 - our own text
        False,
    ),
    "role_without_record": (
        """
        select p.id::uuid as user_id, p.id::uuid as subject, format('%s, which no record made them', p.role) as detail
        from public.profiles p
        where p.role <> 'user' and p.role is distinct from (
          select a.after ->> 'role' from private.audit_log a
          where a.target_id = p.id::uuid and a.action = 'role.changed' and a.refusal is null
          order by a.occurred_at desc, a.id desc limit 1
        )
        """,
        False,
    ),
    "rate_without_record": (
        """
        select null::uuid as user_id, r.action as subject, format('%s, which no record made it', r.amount) as detail
        from private.reward_rates r
        where r.amount <> 0 and r.amount is distinct from (
          select (a.after ->> 'amount')::numeric from private.audit_log a
          where a.action = 'reward_rate.changed' and a.after ->> 'action' = r.action and a.refusal is null
          order by a.occurred_at desc, a.id desc limit 1
        )
        """,
        False,
    ),
    "decision_without_record": (
        """
        select p.author_id as user_id, p.id as subject,
               format('%s, which no record made it', p.validation_status) as detail
        from private.posts p
        where p.validation_status <> 'pending' and p.validated_at is not null and p.validation_status is distinct from (
          select a.after ->> 'status' from private.audit_log a
          where a.target_id = p.id and a.action = 'post.validation_changed' and a.refusal is null
          order by a.occurred_at desc, a.id desc limit 1
        )
        """,
        False,
    ),
    "no_event": (
        """
        select t.user_id, t.id as subject, format('a %s that nobody is told of', t.kind) as detail
        from public.wallet_transactions t
        where t.created_at > now() - $1::interval and t.kind <> 'opening'
          and not exists (
            select from private.realtime_outbox e
            where e.event = 'balance_updated' and (e.payload ->> 'transaction_id')::uuid = t.id
          )
        """,
        True,
    ),
}  # our own text alone

SEALS: Final = """
select id, sealed_until, digest, lag(sealed_until) over (order by id) as previous_until
from private.ledger_seals order by id
"""
# $1 after, or null; $2 not after.
SEAL_HEADS: Final = """
select distinct on (user_id) user_id, version, hash
from public.wallet_transactions
where ($1::timestamptz is null or created_at > $1) and created_at <= $2
order by user_id, version desc
"""
