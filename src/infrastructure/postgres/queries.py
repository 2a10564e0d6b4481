"""The SQL that a transaction begins with (``write_batch.py`` has what it writes), and the columns that it reads.

Ids of the app's tables are read as UUIDs (``id::uuid``), for an adopted database may keep them as text; where they are
UUIDs already the cast is none. An index on the same expression serves them.

All of it is static, so that the server plans it once for each connection. Where more than a key and wallets are
locked there are two statements: the first waits for the locks, the second reads with a snapshot taken after them, so
that it sees what was committed by whoever held them.
"""

# Every statement of a transaction finds its rows by an index, and is planned once for each connection: planned anew for
# each length of its arrays it would cost as much again, and a plan that was made while a table was small must not read
# all of it when it has grown.
BEGIN = (
    "begin"
    + "".join(
        f"; set local {setting}"
        for setting in (
            "plan_cache_mode = force_generic_plan",
            *("enable_seqscan = off", "enable_hashjoin = off", "enable_mergejoin = off"),
            "jit = off",  # the price of a scan that can't be avoided, as of the one row of the epoch, would turn it on
        )
    )
)

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
_CALLER = """caller as materialized (
  select private.account_status($1, $2) as caller_status,
         (select p.role from public.profiles p where p.id::uuid = $1) as caller_role,
         exists (select from private.bans b where b.user_id = $1) as caller_banned
)"""

# $1 user, $2 session, $3 key, $4 fingerprint, $5 wallets, $6 roles, $7 keys a day, $8 whether spending is counted.
# The claim comes before the locks ("exists" is decided first), so that a retry waits for its first request
# without holding anything; wallets are locked in id order, so that two payments can't wait for each other.
# The time is read after the locks: rows of one wallet are stamped in their order.
CLAIM = f"""
with {_CALLER}, quota as materialized (
  select (
    select k.created_at + interval '1 day' from (
      select created_at from private.idempotency_keys
      where user_id = $1 and created_at > now() - interval '1 day' offset 0
    ) k
    order by k.created_at desc offset $7 - 1 limit 1
  ) as free_at
), claim as (
  insert into private.idempotency_keys (user_id, key, fingerprint)
  select $1, $3, $4 from caller, quota
  where caller_status = 'active' and not caller_banned and caller_role = any ($6::text[]) and free_at is null
  on conflict do nothing
  returning true
), locked as materialized (
  select w.user_id, w.balance, w.version, w.hash, w.frozen
  from public.wallets w
  where w.user_id = any ($5::uuid[]) and exists (select from claim)
  order by w.user_id
  for update
)
select c.*, exists (select from claim) as claimed, extract(epoch from q.free_at - now())::float8 as free_in,
       l.user_id, l.balance, l.version, l.hash, l.frozen, s.sent, s.withdrawn, {EPOCH}, clock_timestamp() as now,
       case when l.user_id = $1 then 'active' else private.account_status(l.user_id, null) end as owner_status
from caller c cross join quota q left join locked l on true
left join lateral private.spent_today(case when $8 and l.user_id = $1 then l.user_id end) s on true
"""  # noqa: S608 - our own text

# The same for several callers at once: arrays of users $1, sessions $2, keys $3, fingerprints $4, roles (joined by
# commas) $5 and each one's number among those of the same user $6; $7 keys a day; of each wallet whose number $8 wants
# it, and its id $9; the users whose spending is counted $10. Keys are claimed in their order, so that two groups can't
# wait for each other. Who wants a wallet that is not there is not claimed: that takes more than a statement.
CLAIM_MANY = f"""
with request as materialized (
  select r.*, ordinality - 1 as n,
         private.account_status(r.user_id, r.session_id) as caller_status,
         (select p.role from public.profiles p where p.id::uuid = r.user_id) as caller_role,
         exists (select from private.bans b where b.user_id = r.user_id) as caller_banned
  from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::text[], $6::int[])
    with ordinality as r (user_id, session_id, key, fingerprint, roles, nth, ordinality)
), wanted as materialized (
  select * from unnest($8::int[], $9::uuid[]) as w (n, user_id)
), claim as (
  insert into private.idempotency_keys (user_id, key, fingerprint)
  select r.user_id, r.key, r.fingerprint from request r
  where caller_status = 'active' and not caller_banned and caller_role = any (string_to_array(r.roles, ','))
    and not exists (
      select from wanted v where v.n = r.n and not exists (select from public.wallets w where w.user_id = v.user_id)
    )
    and not exists (
      select from private.idempotency_keys k
      where k.user_id = r.user_id and k.created_at > now() - interval '1 day'
      offset $7 - 1 - r.nth
    )
  order by r.user_id, r.key
  on conflict do nothing
  returning user_id, key
), claimed as materialized (
  select r.n, r.user_id from request r join claim c on c.user_id = r.user_id and c.key = r.key
), locked as materialized (
  select w.user_id, w.balance, w.version, w.hash, w.frozen
  from public.wallets w
  where w.user_id in (select v.user_id from wanted v join claimed c on c.n = v.n)
  order by w.user_id
  for update
)
select r.n, r.caller_status, r.caller_role, r.caller_banned, exists (select from claimed c where c.n = r.n) as claimed,
       {EPOCH}, null::uuid as user_id, null::numeric as balance, null::bigint as version, null::bytea as hash,
       null::boolean as frozen,
       null::numeric as sent, null::numeric as withdrawn, clock_timestamp() as now, null::text as owner_status
from request r
union all
select null, null, null, null, null, null, l.user_id, l.balance, l.version, l.hash, l.frozen, s.sent, s.withdrawn,
       clock_timestamp(),
       case when l.user_id in (select user_id from claimed) then 'active'
            else private.account_status(l.user_id, null) end
from locked l
left join lateral private.spent_today(case when l.user_id = any ($10::uuid[]) then l.user_id end) s on true
"""  # noqa: S608 - our own text
# What a member of a group claimed and then made no use of, before it commits.
RELEASE_KEYS = """
delete from private.idempotency_keys k using unnest($1::uuid[], $2::text[]) as u (user_id, key)
where k.user_id = u.user_id and k.key = u.key and k.status is null
"""

# $3, $4: how long a key lives, and one that stands for a 404.
_EXPIRED = "(created_at < now() - $3::interval or status = 404 and created_at < now() - $4::interval)"
EARLIER = f"""
select fingerprint, status, body, {_EXPIRED} as expired
from private.idempotency_keys where user_id = $1 and key = $2
"""  # noqa: S608
# The same for several callers: arrays of users $1 and keys $2.
EARLIER_MANY = f"""
select k.user_id, k.key, fingerprint, status, body, {_EXPIRED} as expired
from private.idempotency_keys k join unnest($1::uuid[], $2::text[]) as u (user_id, key)
  on k.user_id = u.user_id and k.key = u.key
"""  # noqa: S608
DELETE_EXPIRED = f"delete from private.idempotency_keys where user_id = $1 and key = $2 and {_EXPIRED}"  # noqa: S608

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
# $2 how long, $3 how many are kept. Without waiting where the answer is known; else alone, until the end.
_REFUSALS = """(
  select count(*) from (
    select from private.audit_log
    where actor_id = $1 and refusal is not null and occurred_at > now() - $2::interval
    limit $3
  ) recent
)"""
LOCK_REFUSALS = f"""
select pg_advisory_xact_lock({REFUSALS_LOCK}, hashtext($1::uuid::text)) where {_REFUSALS} < $3
"""

# $1 user, $2 session, $3 what is locked, $4 the roles for which it is.
_MAY_SEE = "exists (select from caller where caller_role = any ($4::text[]))"
# What a post earned, whether that was taken back, and what an approval pays: the post's lock orders all of it.
READ_POST = f"""
with {_CALLER}, post as materialized (
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
       (select amount from private.reward_rates where action = 'post_approved') as rate,
       clock_timestamp() as now
from caller c left join post p on true left join wallet w on true
left join public.wallet_transactions e on e.kind = 'earning' and e.reference_id = p.id
"""  # noqa: S608
READ_APPROVAL = f"""
with {_CALLER}, approval as materialized (
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
with {_CALLER}, withdrawal as materialized (
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
with {_CALLER}, t as materialized (
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
with {_CALLER}, rate as materialized (
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
with {_CALLER}, target as (
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
with caller as materialized (
  select private.account_status($1, $4) as caller_status,
         (select p.role from public.profiles p where p.id::uuid = $1) as caller_role,
         exists (select from private.bans b where b.user_id = $1) as caller_banned
)
select c.*, {_REFUSALS} as recorded, clock_timestamp() as now from caller c
"""  # noqa: S608
