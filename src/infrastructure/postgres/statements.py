"""The SQL that enters a transaction, and locks what it decides on (``writes.py`` has what it writes).

All of it is static, so that the server plans it once for each connection.
"""

from infrastructure.postgres.rows import POST_COLUMNS, TRANSACTION_COLUMNS, WITHDRAWAL_COLUMNS

# $1 user, $2 session, $3 key or null, $4 fingerprint, $5 wallets.
# The claim comes before the locks ("exists" is decided first), so that a retry waits for its first request
# without holding anything; wallets are locked in id order, so that two payments can't wait for each other.
# The time is read after the locks: rows of one wallet are stamped in their order.
ENTER = """
with caller as materialized (
  select private.account_status($1, $2) as account_status,
         (select p.role from public.profiles p where p.id = $1) as role,
         exists (select from private.bans b where b.user_id = $1) as banned
), claim as (
  insert into private.idempotency_keys (user_id, key, fingerprint)
  select $1, $3, $4 from caller where $3::text is not null and account_status = 'active' and not banned
  on conflict do nothing
  returning true
), locked as (
  select w.user_id, w.balance, w.version, clock_timestamp() as locked_at
  from public.wallets w
  where w.user_id = any ($5::uuid[]) and exists (select from claim)
  order by w.user_id
  for update
)
select c.account_status, c.role, c.banned, exists (select from claim) as claimed,
       l.user_id, l.balance, l.version, coalesce(l.locked_at, clock_timestamp()) as now,
       case when l.user_id = $1 then 'active' else private.account_status(l.user_id, null) end as wallet_account_status
from caller c left join locked l on true
"""

EARLIER = """
select fingerprint, result::text as result, refusal from private.idempotency_keys where user_id = $1 and key = $2
"""

# The rare case: somebody's first payment. Only users who have a profile get a wallet here.
OPEN_WALLETS = """
insert into public.wallets (user_id)
select p.id from public.profiles p where p.id = any ($1::uuid[]) order by p.id
on conflict do nothing
"""
LOCK_WALLETS = """
select w.user_id, w.balance, w.version, private.account_status(w.user_id, null) as wallet_account_status,
       clock_timestamp() as now
from public.wallets w where w.user_id = any ($1::uuid[]) order by w.user_id for update
"""

LOCK_POST = f"select {POST_COLUMNS} from public.posts where id = $1 for update"  # noqa: S608
# What a post earned, whether it was taken back, and what an approval pays. The post's lock orders all of it; asked
# after the wallet's lock, so that the time is later than that of the wallet's last row.
EARNINGS = f"""
select clock_timestamp() as now,
       (select amount from private.reward_rates where action = 'post_approved') as rate,
       exists (
         select from public.wallet_transactions r where r.kind = 'reversal' and r.reference_id = e.id
       ) as reversed,
       e.*
from (select) one
left join (
  select {TRANSACTION_COLUMNS} from public.wallet_transactions where kind = 'earning' and reference_id = $1
) e on true
"""  # noqa: S608

OPEN_AUTHOR = """
with profile as (insert into public.profiles (id) values ($1) on conflict do nothing)
insert into public.wallets (user_id) values ($1) on conflict do nothing
"""

# The withdrawal is locked before the wallet, as a post is; whoever holds a wallet never waits for either.
LOCK_WITHDRAWAL = f"""
select {", ".join(f"d.{column}" for column in WITHDRAWAL_COLUMNS.split(", "))},
       w.balance, w.version, clock_timestamp() as now
from public.wallet_withdrawals d join public.wallets w on w.user_id = d.user_id
where d.id = $1
for update of d, w
"""  # noqa: S608

SAVE_POST = """
update public.posts
set validation_status = $2, validated_by = $3, validated_at = $4, validation_reason = $5
where id = $1
returning version
"""
