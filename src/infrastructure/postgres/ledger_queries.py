"""The SQL of the proof: each row with all that it must agree with, and the seals.

What no row leads to is in ``ledger_strays.py``.
"""

from typing import Final

from domain.reconciliation import Entry

ROW: Final = tuple(field for field in Entry.__dataclass_fields__)


def _columns(table: str, prefix: str = "") -> str:
    return ", ".join(f"{table}.{column} as {prefix}{column}" for column in ROW)


def number_of(text: str) -> str:
    """*text* as a number, or null: whoever wrote it may have written anything."""
    return f"case when {text} ~ '^-?[0-9]{{1,8}}([.][0-9]{{1,4}})?$' then cast({text} as numeric) end"


def id_of(text: str) -> str:
    """*text* as an id, or null."""
    return f"case when {text} ~ '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$' then cast({text} as uuid) end"


# $1 the time after which rows are read, or null. Every join is a look-up in an index, so that rows flow from the first
# moment. An audit row has the time of what it records, and its target: that is how it is found. What it says is read as
# text, whatever it is. A post that was opened again may be deleted by its author.
LINES: Final = f"""
select {_columns("t")}, {_columns("o", "o_")}, {_columns("p", "p_")}, w.user_id is not null as has_wallet,
       d.amount as d_amount, d.transaction_id as d_transaction_id, e.accounts, e.amounts,
       t.kind in ('transfer_in', 'transfer_out', 'withdrawal')
       or t.kind = 'opening' and exists (
         select from private.openings g
         where g.transaction_id = t.id and g.user_id = t.user_id and g.balance = t.amount
       )
       or exists (
         select from private.audit_log a
         where a.occurred_at = t.created_at and a.refusal is null
           and t.id::text in (a.after ->> 'transaction_id', a.after ->> 'other_transaction_id')
           and coalesce(a.after ->> 'user_id', t.user_id::text) = t.user_id::text
           and coalesce(a.after ->> 'kind', t.kind) = t.kind
           and abs({number_of("(a.after ->> 'amount')")}) = abs(t.amount)
           and case
             when t.kind = 'earning' then a.action = 'post.validation_changed' and a.target_id = t.reference_id
             when t.kind <> 'reversal' then
               a.action = 'transaction.booked' and a.target_id = t.user_id
               or a.action = 'approval.decided' and a.after ->> 'user_id' is not null
             when o.kind = 'earning' then a.action = 'post.validation_changed' and a.target_id = o.reference_id
             when o.kind = 'withdrawal' then a.action = 'withdrawal.settled' and a.target_id = o.reference_id
             else a.action = 'transaction.reversed' and a.target_id::text = a.after ->> 'corrects'
           end
       ) as is_recorded,
       t.kind <> 'earning' or coalesce(
         (select x.author_id = t.user_id from private.posts x where x.id = t.reference_id),
         (select a.after ->> 'status' = 'pending' from private.audit_log a
          where a.target_id = t.reference_id and a.action = 'post.validation_changed' and a.refusal is null
          order by a.occurred_at desc, a.id desc limit 1),
         false
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
where $1::timestamptz is null or t.created_at > $1
order by t.user_id, t.version
"""  # noqa: S608 - our own column list

SEALS: Final = """
select id, sealed_until, digest, lag(sealed_until) over (order by id) as previous_until
from private.ledger_seals order by id
"""
# $1 after, or null; $2 not after: the newest row of each wallet, packed as a seal holds it.
SEAL_HEADS: Final = """
select coalesce(string_agg(uuid_send(user_id) || int8send(version) || hash, '' order by user_id), '')
from (
  select distinct on (user_id) user_id, version, hash
  from public.wallet_transactions
  where ($1::timestamptz is null or created_at > $1) and created_at <= $2
  order by user_id, version desc
) heads
"""
