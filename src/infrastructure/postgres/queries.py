"""The SQL that a transaction begins with, and the columns that it reads.

How a key is claimed stands in ``idempotency.py``, what is written in ``write_batch.py``.

Ids of the app's tables are read as UUIDs (``id::uuid``), for an adopted database may keep them as text; where they are
UUIDs already the cast is none. An index on the same expression serves them.

All of it is static, so that the server plans it once for each connection. Where more than a key and wallets are
locked there are two statements: the first waits for the locks, the second reads with a snapshot taken after them, so
that it sees what was committed by whoever held them.
"""

from infrastructure.postgres.pool import PLANNED_ONCE

# With the settings of a session (pool.py) once more, for a pooler may lend another one for each transaction.
BEGIN = "; set local ".join(("begin", *PLANNED_ONCE))

TRANSACTION_COLUMNS = (
    "id, user_id, kind, amount, balance_after, version, created_at, counterparty_id, reference_id, note, hash"
)
POST_COLUMNS = (
    "id, author_id, kind, title, body, language, dialect, media_url, validation_status, validated_by, "
    "validated_at, validation_reason, version, created_at"
)
USER_COLUMNS = (
    "p.id::uuid as id, p.username, p.full_name, p.avatar_url, p.role, p.created_at, "
    "b.reason, b.banned_by, b.banned_at, w.balance, private.account_status(p.id::uuid, null) as account_status"
)
USER_TABLES = (
    "public.profiles p left join private.bans b on b.user_id = p.id::uuid "
    "left join public.wallets w on w.user_id = p.id::uuid"
)
WITHDRAWAL_COLUMNS = "id, user_id, amount, status, transaction_id, created_at, settled_by, settled_at, reason"

# One number for all changes of roles and bans; migrations have 6117003.
STAFF_LOCK = 6_117_004
# The class of the locks that count one user's refusals.
REFUSALS_LOCK = 6_117
# The class of the locks that hold one user's rights: shared by what they decide, alone for a change of them. Migration
# 0005 takes it where a role is changed by others.
RIGHTS_LOCK = 6_119


APPROVAL_COLUMNS = (
    "id, action, target_id, request, requested_by, created_at, expires_at, status, decided_by, decided_at"
)


def _named(table: str, columns: str) -> str:
    """The columns of *table*, each named after it too."""
    return ", ".join(f"{table}.{column} as {table}_{column}" for column in columns.split(", "))


# How often the database was restored to an earlier time.
EPOCH = "(select epoch from private.ledger_epoch) as epoch"

# $1 user, $2 session.
CALLER = """caller as materialized (
  select private.account_status($1, $2) as caller_status,
         (select p.role from public.profiles p where p.id::uuid = $1) as caller_role,
         exists (select from private.bans b where b.user_id = $1) as caller_banned
)"""
READ_CALLER = f"with {CALLER} select * from caller"  # noqa: S608

# The rare case: somebody's first payment. Only users who have a profile and live get a wallet here.
OPEN_WALLETS = """
insert into public.wallets (user_id)
select p.id::uuid from public.profiles p
where p.id::uuid = any ($1::uuid[]) and private.account_status(p.id::uuid, null) <> 'deleted'
order by p.id::uuid
on conflict do nothing
"""
# $2 whose spending is counted.
LOCK_WALLETS = """
select w.user_id, w.balance, w.version, w.hash, w.frozen, s.sent, s.withdrawn,
       private.account_status(w.user_id, null) as owner_status, clock_timestamp() as now
from (
  select user_id, balance, version, hash, frozen from public.wallets
  where user_id = any ($1::uuid[]) order by user_id for update
) w
left join lateral private.spent_today(case when w.user_id = any ($2::uuid[]) then w.user_id end) s on true
"""

# Many decisions share it, and a change of rights waits its turn among them: unlike a row's sharers, who pass a writer
# that waits, whoever comes after it waits behind it. So nobody can keep their own demotion waiting.
LOCK_CALLER = f"select pg_advisory_xact_lock_shared({RIGHTS_LOCK}, uuid_hash($1))"

# $1 user, $2 what is locked, $3 the roles for which it is: nobody else makes others wait.
_LOCKED_CALLER = f"""held as materialized (
  {LOCK_CALLER}
), caller as materialized (
  select role from public.profiles where id::uuid = $1 and exists (select from held)
)"""  # noqa: S608
_ALLOWED = "exists (select from caller where role = any ($3::text[]))"
LOCK_POST = f"""
with {_LOCKED_CALLER}, locked as materialized (
  select private.lock_post($2) as found from caller where role = any ($3::text[])
)
select count(*) from locked where found
"""  # noqa: S608
LOCK_WITHDRAWAL = f"""
with {_LOCKED_CALLER}, locked as materialized (
  select from public.wallet_withdrawals where id = $2 and {_ALLOWED} for update
)
select count(*) from locked
"""  # noqa: S608
LOCK_TRANSACTION = f"""
with {_LOCKED_CALLER}, sides as materialized (
  select user_id, counterparty_id from public.wallet_transactions where id = $2 and {_ALLOWED}
), locked as materialized (
  select from public.wallets
  where user_id in (select user_id from sides union select counterparty_id from sides)
  order by user_id for update
)
select count(*) from locked
"""  # noqa: S608
LOCK_APPROVAL = f"""
with {_LOCKED_CALLER}, approval as materialized (
  select action, target_id from private.approvals where id = $2 and {_ALLOWED} for update
), locked as materialized (
  select from public.wallet_withdrawals
  where id = (select target_id from approval where action = 'vault.settle_withdrawal') for update
)
select count(*) from locked
"""  # noqa: S608
LOCK_RATE = f"""
with {_LOCKED_CALLER}, made as (
  insert into private.reward_rates (action, amount) select $2, 0 where {_ALLOWED} on conflict do nothing
)
select count(*) from caller
"""  # noqa: S608
# Always the staff first: two who change each other can't wait for each other.
LOCK_USER = f"""
with staff as materialized (
  select pg_advisory_xact_lock({STAFF_LOCK})
), held as materialized (
  select pg_advisory_xact_lock_shared({RIGHTS_LOCK}, uuid_hash($1)) from staff
), caller as materialized (
  select role from public.profiles where id::uuid = $1 and exists (select from held)
), changed as materialized (
  select pg_advisory_xact_lock({RIGHTS_LOCK}, uuid_hash($2)) where {_ALLOWED}
), locked as materialized (
  select from public.profiles where id::uuid = $2 and exists (select from changed) for no key update
)
select count(*) from locked
"""  # noqa: S608
LOCK_USER_AS_OPERATOR = f"""
with staff as materialized (
  select pg_advisory_xact_lock({STAFF_LOCK})
), changed as materialized (
  select pg_advisory_xact_lock({RIGHTS_LOCK}, uuid_hash($1)) from staff
), locked as materialized (
  select from public.profiles where id::uuid = $1 and exists (select from changed) for no key update
)
select count(*) from locked
"""  # noqa: S608
# {period} how long, {kept} how many are kept. Without waiting where the answer is known; else alone, until the end.
_REFUSALS = """(
  select count(*) from (
    select from private.audit_log
    where actor_id = $1 and refusal is not null and occurred_at > now() - {period}::interval
    limit {kept}
  ) recent
)"""
LOCK_REFUSALS = f"""
select pg_advisory_xact_lock({REFUSALS_LOCK}, hashtext($1::uuid::text))
where {_REFUSALS.format(period="$2", kept="$3")} < $3
"""

# $1 user, $2 session, $3 what is locked, $4 the roles for which it is.
_MAY_SEE = "exists (select from caller where caller_role = any ($4::text[]))"
# What a post earned, whether that was taken back, and what an approval pays: the post's lock orders all of it. What was
# settled before an adoption is settled: nothing was said of what another approval pays.
READ_POST = f"""
with {CALLER}, post as materialized (
  select {POST_COLUMNS} from private.posts where id = $3 and {_MAY_SEE}
), wallet as materialized (
  select balance, version, hash from public.wallets where user_id = (select author_id from post) for update
)
select c.*, p.*, w.balance, w.version as wallet_version, w.hash, {EPOCH},
       private.account_status(p.author_id, null) as owner_status,
       e.id as earning_id, e.amount as earning_amount,
       exists (
         select from public.wallet_transactions r where r.kind = 'reversal' and r.reference_id = e.id
       ) as earning_reversed,
       (
         select amount from private.reward_rates
         where action = 'post_approved' and not exists (select from private.adopted_earnings where post_id = p.id)
       ) as rate,
       clock_timestamp() as now
from caller c left join post p on true left join wallet w on true
left join public.wallet_transactions e on e.kind = 'earning' and e.reference_id = p.id
"""  # noqa: S608
READ_APPROVAL = f"""
with {CALLER}, approval as materialized (
  select {APPROVAL_COLUMNS} from private.approvals where id = $3 and {_MAY_SEE}
), wallet as materialized (
  select user_id, balance, version, hash from public.wallets
  where user_id = (select target_id from approval where action = 'vault.adjust_balance') for update
)
select c.*, {_named("a", APPROVAL_COLUMNS)}, {_named("d", WITHDRAWAL_COLUMNS)},
       w.balance, w.version, w.hash, private.account_status(w.user_id, null) as owner_status, {EPOCH},
       clock_timestamp() as now
from caller c
left join approval a on true
left join wallet w on true
left join public.wallet_withdrawals d on a.action = 'vault.settle_withdrawal' and d.id = a.target_id
"""  # noqa: S608
READ_WITHDRAWAL = f"""
with {CALLER}, withdrawal as materialized (
  select {WITHDRAWAL_COLUMNS} from public.wallet_withdrawals where id = $3 and {_MAY_SEE}
), wallet as materialized (
  select balance, version, hash from public.wallets where user_id = (select user_id from withdrawal) for update
)
select c.*, d.*, w.balance, w.version, w.hash, {_named("a", APPROVAL_COLUMNS)}, {EPOCH}, clock_timestamp() as now
from caller c left join withdrawal d on true left join wallet w on true
left join private.approvals a
  on a.action = 'vault.settle_withdrawal' and a.target_id = d.id and a.status = 'waiting'
"""  # noqa: S608
# Its wallets are locked already: what was committed before them is seen.
READ_TRANSACTION = f"""
with {CALLER}, t as materialized (
  select {TRANSACTION_COLUMNS} from public.wallet_transactions where id = $3 and {_MAY_SEE}
)
select c.*, {", ".join(_named(table, TRANSACTION_COLUMNS) for table in "tors")},
       w.balance, w.version, w.hash, private.account_status(t.user_id, null) as owner_status,
       v.balance as v_balance, v.version as v_version, v.hash as v_hash,
       private.account_status(t.counterparty_id, null) as other_status, {EPOCH}, clock_timestamp() as now
from caller c
left join t on true
left join public.wallet_transactions o
  on t.kind in ('transfer_out', 'transfer_in') and o.reference_id = t.reference_id
     and o.kind = case t.kind when 'transfer_in' then 'transfer_out' else 'transfer_in' end
left join public.wallet_transactions r on r.kind = 'reversal' and r.reference_id = t.id
left join public.wallet_transactions s on s.kind = 'reversal' and s.reference_id = o.id
left join public.wallets w on w.user_id = t.user_id
left join public.wallets v on v.user_id = t.counterparty_id
"""  # noqa: S608
READ_RATE = f"""
with {CALLER}, rate as materialized (
  select action, amount, updated_at from private.reward_rates where action = $3 and {_MAY_SEE} for update
)
select c.*, r.*, clock_timestamp() as now from caller c left join rate r on true
"""  # noqa: S608
_OTHER_ADMINS = """(
  select count(*) from public.profiles o
  where o.role = 'admin' and o.id::uuid <> {subject}
    and not exists (select from private.bans x where x.user_id = o.id::uuid)
    and private.account_status(o.id::uuid, null) = 'active'
) as other_admins"""
READ_USER = f"""
with {CALLER}, target as (
  select {USER_COLUMNS} from {USER_TABLES} where p.id::uuid = $3 and {_MAY_SEE}
)
select c.*, t.*, {_OTHER_ADMINS.format(subject="$3")}, clock_timestamp() as now
from caller c left join target t on true
"""  # noqa: S608
READ_USER_AS_OPERATOR = f"""
select t.*, {_OTHER_ADMINS.format(subject="$1")}, clock_timestamp() as now
from (select) one left join (select {USER_COLUMNS} from {USER_TABLES} where p.id::uuid = $1) t on true
"""  # noqa: S608
READ_REFUSALS = f"""
with {CALLER}
select c.*, {_REFUSALS.format(period="$3", kept="$4")} as recorded, clock_timestamp() as now from caller c
"""  # noqa: S608
