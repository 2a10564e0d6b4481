"""The SQL of what no row of the ledger leads to: what stands beside it and does not agree with it.

Each query gives ``user_id``, ``subject`` and ``detail``. It may look at ``given``: ``since``, the time after which what
has a time is looked at, and ``kept``, for how long events surely stay. What has no time is looked at as a whole.
"""

from typing import Final

from domain.audit import AuditAction
from domain.identity import Role
from domain.policies import POLICIES


def number_of(text: str) -> str:
    """*text* as a number, or null: whoever wrote it may have written anything."""
    return f"case when {text} ~ '^-?[0-9]{{1,8}}([.][0-9]{{1,4}})?$' then cast({text} as numeric) end"


def id_of(text: str) -> str:
    """*text* as an id, or null."""
    return f"case when {text} ~ '^[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}$' then cast({text} as uuid) end"


_FIRST_DAY: Final = "cast((select since from given) at time zone 'UTC' as date)"
_FROM_FIRST_DAY: Final = f"created_at >= cast({_FIRST_DAY} as timestamp) at time zone 'UTC'"
_DAYS: Final = f"""
select cast(created_at at time zone 'UTC' as date) as day, 'wallets' as account, sum(amount) as amount
from public.wallet_transactions where {_FROM_FIRST_DAY} group by 1, 2
union all
select cast(created_at at time zone 'UTC' as date), account, sum(amount)
from private.ledger_entries where {_FROM_FIRST_DAY} group by 1, 2
"""

# Each word of the audit log with each role that may have it recorded, as the policies say.
_ENTITLED: Final = sorted(
    {(row.audited_as, role) for row in POLICIES if row.audited_as for role in Role if role.includes(row.role)}
    | {(AuditAction.APPROVAL_REQUESTED, Role.ADMIN)}
)
_MAY_RECORD: Final = ", ".join(f"('{word}', '{role}')" for word, role in _ENTITLED)
# The role that somebody had when a record was made: by the last record before it; by an operator's first one where
# there is none, for an operator may record later what was done by hand.
_ROLE_THEN: Final = """coalesce(
  (select x.after ->> 'role' from private.audit_log x
   where x.target_id = a.actor_id and x.action = 'role.changed' and x.refusal is null and x.occurred_at < a.occurred_at
   order by x.occurred_at desc, x.id desc limit 1),
  (select x.after ->> 'role' from private.audit_log x
   where x.target_id = a.actor_id and x.action = 'role.changed' and x.operator is not null
   order by x.occurred_at, x.id limit 1),
  'user'
)"""


STRAYS: Final = {
    "empty_ledger": """
        select w.user_id, w.user_id as subject,
               format('the wallet says %s at version %s, the ledger has no row', w.balance, w.version) as detail
        from public.wallets w
        where (w.balance <> 0 or w.version <> 0)
          and not exists (select from public.wallet_transactions t where t.user_id = w.user_id)
    """,
    "wrong_balance": """
        select w.user_id, t.id as subject,
               format('the wallet says %s at version %s of %s, its newest row %s at version %s of %s; or their hashes '
                      'differ', w.balance, w.version, w.updated_at, t.balance_after, t.version, t.created_at) as detail
        from public.wallets w
        cross join lateral (
          select * from public.wallet_transactions x where x.user_id = w.user_id order by x.version desc limit 1
        ) t
        where (w.balance, w.version, w.hash, w.updated_at)
          is distinct from (t.balance_after, t.version, t.hash, t.created_at)
    """,
    "unheld_withdrawal": """
        select d.user_id, d.id as subject, format('no transaction %s took its money', d.transaction_id) as detail
        from public.wallet_withdrawals d
        where d.created_at > (select since from given) and not exists (
          select from public.wallet_transactions t
          where t.id = d.transaction_id and t.reference_id = d.id and t.kind = 'withdrawal' and t.user_id = d.user_id
            and t.created_at = d.created_at
        )
    """,
    "unrecorded_settlement": f"""
        select d.user_id, d.id as subject, format('the audit log knows of no settlement as %s', d.status) as detail
        from public.wallet_withdrawals d
        where d.settled_at > (select since from given) and not exists (
          select from private.audit_log a
          where a.occurred_at = d.settled_at and a.refusal is null and a.actor_id = d.settled_by
            and a.after ->> 'status' = d.status
            and d.amount = {number_of("(a.after ->> 'amount')")}
            and (
              a.action = 'withdrawal.settled' and a.target_id = d.id
              or a.action = 'approval.decided' and a.after ->> 'withdrawal_id' = d.id::text
            )
        )
    """,
    "wrong_settlement": """
        select d.user_id, d.id as subject, format('%s, given back %s', d.status, t.amount) as detail
        from public.wallet_withdrawals d
        left join public.wallet_transactions t on t.reference_id = d.transaction_id and t.kind = 'reversal'
        where (d.status = 'held' or d.settled_at > (select since from given))
          and t.amount is distinct from case d.status when 'failed' then d.amount end
    """,
    "unbalanced_payout": """
        select d.user_id, d.id as subject, format('%s of %s against %s', d.status, d.amount, e.moved) as detail
        from public.wallet_withdrawals d
        left join lateral (
          select string_agg(x.account || ' ' || x.amount, ', ' order by x.account) as moved
          from private.ledger_entries x where x.reference_id = d.id
        ) e on true
        where (d.status = 'held' or d.settled_at > (select since from given)) and e.moved is distinct from case d.status
          when 'completed' then format('payouts_paid %s, payouts_pending %s', d.amount, -d.amount)
        end
    """,
    "stray_entry": """
        select null::uuid as user_id, e.reference_id as subject,
               format('%s on %s belongs to nothing', e.amount, e.account) as detail
        from private.ledger_entries e
        where e.created_at > (select since from given)
          and not exists (select from public.wallet_transactions t where t.id = e.reference_id)
          and not exists (select from public.wallet_withdrawals d where d.id = e.reference_id)
    """,
    "late_entry": """
        select t.user_id, t.id as subject, format('its entry was made %s', e.created_at) as detail
        from public.wallet_transactions t
        join private.ledger_entries e on e.reference_id = t.id
        where t.created_at > (select since from given) and e.created_at <> t.created_at
        union all
        select d.user_id, d.id, format('its entries were made %s', e.created_at)
        from public.wallet_withdrawals d
        join private.ledger_entries e on e.reference_id = d.id
        where coalesce(d.settled_at, d.created_at) > (select since from given)
          and e.created_at is distinct from d.settled_at
    """,
    "imbalance": """
        select null::uuid as user_id, 'books' as subject, format('all accounts sum to %s', sum(amount)) as detail
        from (
          select sum(balance) as amount from public.wallets
          union all
          select sum(amount) from private.ledger_entries
        ) totals
        having sum(amount) <> 0
    """,
    "wrong_day": f"""
        select null::uuid as user_id, format('%s %s', day, account) as subject,
               format('kept as %s, the rows sum to %s', k.amount, r.amount) as detail
        from (select * from private.ledger_days where day >= {_FIRST_DAY}) k
        full join (
          select * from ({_DAYS}) days where day <= (select max(day) from private.ledger_days)
        ) r using (day, account)
        where coalesce(k.amount, 0) <> coalesce(r.amount, 0)
    """,
    "role_without_record": """
        select p.id::uuid as user_id, p.id::uuid as subject, format('%s, which no record made them', p.role) as detail
        from public.profiles p
        where p.role <> 'user' and p.role is distinct from (
          select a.after ->> 'role' from private.audit_log a
          where a.target_id = p.id::uuid and a.action = 'role.changed' and a.refusal is null
          order by a.occurred_at desc, a.id desc limit 1
        )
    """,
    "rate_without_record": f"""
        select null::uuid as user_id, action as subject, format('%s, recorded as %s', r.amount, a.amount) as detail
        from private.reward_rates r
        full join (
          select distinct on (x.after ->> 'action') x.after ->> 'action' as action,
                 {number_of("(x.after ->> 'amount')")} as amount
          from private.audit_log x
          where x.action = 'reward_rate.changed' and x.refusal is null
          order by x.after ->> 'action', x.occurred_at desc, x.id desc
        ) a using (action)
        where coalesce(r.amount, 0) <> coalesce(a.amount, 0)
    """,
    "decision_without_record": """
        select p.author_id as user_id, p.id as subject,
               format('%s by %s, which no record made it', p.validation_status, p.validated_by) as detail
        from private.posts p
        left join lateral (
          select a.after ->> 'status' as status, a.actor_id, a.occurred_at from private.audit_log a
          where a.target_id = p.id and a.action = 'post.validation_changed' and a.refusal is null
          order by a.occurred_at desc, a.id desc limit 1
        ) a on true
        where p.validation_status <> 'pending' and p.validated_at > (select since from given)
          and (p.validation_status, p.validated_by, p.validated_at)
            is distinct from (a.status, a.actor_id, a.occurred_at)
    """,
    "stray_opening": """
        select o.user_id, o.user_id as subject, format('%s was brought along by no transaction', o.balance) as detail
        from private.openings o
        where o.transaction_id is not null
          and not exists (select from public.wallet_transactions t where t.id = o.transaction_id)
    """,
    "epoch_without_record": """
        select null::uuid as user_id, 'epoch' as subject, format('%s, recorded as %s', epoch, recorded) as detail
        from (select (select epoch from private.ledger_epoch) as epoch, coalesce(
          (select a.after ->> 'epoch' from private.audit_log a where a.action = 'ledger.restored'
           order by a.occurred_at desc, a.id desc limit 1), '1') as recorded) e
        where epoch::text is distinct from recorded
    """,
    # Asked for and recorded as one, decided and recorded as one.
    "wrong_approval": """
        select coalesce(p.requested_by, a.actor_id) as user_id, coalesce(p.id, a.id) as subject,
               format('%s, asked for as %s', p.status, a.after) as detail
        from (select * from private.approvals where created_at > (select since from given)) p
        full join (
          select * from private.audit_log x
          where x.action = 'approval.requested' and x.refusal is null and x.occurred_at > (select since from given)
        ) a on a.after ->> 'approval_id' = p.id::text
        where p.id is null or a.id is null
          or (p.target_id, p.requested_by, p.created_at, p.expires_at)
            is distinct from (a.target_id, a.actor_id, a.occurred_at, a.occurred_at + interval '7 days')
          or a.after <> p.request || jsonb_build_object('approval_id', p.id, 'action', p.action)
        union all
        select p.decided_by, p.id, format('%s, which no record made it', p.status)
        from private.approvals p
        where p.decided_at > (select since from given) and not exists (
          select from private.audit_log a
          where a.action = 'approval.decided' and a.target_id = p.id and a.refusal is null
            and (a.actor_id, a.occurred_at) = (p.decided_by, p.decided_at)
            and p.status = case when a.after ->> 'withdrawal_id' is null then a.after ->> 'status' else 'approved' end
        )
        union all
        select a.actor_id, a.id, 'it decided on what still waits'
        from private.audit_log a
        left join private.approvals p on p.id = a.target_id
        where a.action = 'approval.decided' and a.refusal is null and a.occurred_at > (select since from given)
          and p.decided_at is distinct from a.occurred_at
    """,
    "unentitled_record": f"""
        select a.actor_id as user_id, a.id as subject,
               format('%s by somebody who was %s then', a.action, r.role) as detail
        from private.audit_log a cross join lateral (select {_ROLE_THEN} as role) r
        where a.occurred_at > (select since from given) and a.operator is null and a.refusal is null and (
          (a.action, r.role) not in ({_MAY_RECORD})
          or a.action in ('role.changed', 'transaction.booked') and a.target_id = a.actor_id
        )
    """,
    "no_event": """
        select t.user_id, t.id as subject, format('a %s that nobody is told of', t.kind) as detail
        from public.wallet_transactions t
        where t.created_at > now() - (select kept from given) and t.kind <> 'opening'
          and not exists (
            select from private.realtime_outbox e
            where e.event = 'balance_updated' and e.payload ->> 'transaction_id' = t.id::text
          )
    """,
    "wrong_event": f"""
        select null::uuid as user_id, e.event_id as subject, 'it tells of what is not so' as detail
        from private.realtime_outbox e
        where e.event = 'balance_updated' and e.created_at > (select since from given) and not exists (
          select from public.wallet_transactions t
          where t.id = {id_of("(e.payload ->> 'transaction_id')")} and t.user_id::text = e.payload ->> 'user_id'
            and t.kind = e.payload ->> 'kind' and t.version::text = e.payload ->> 'version'
            and t.amount = {number_of("(e.payload ->> 'amount')")}
            and t.balance_after = {number_of("(e.payload ->> 'balance')")}
        )
    """,
}  # our own text alone
