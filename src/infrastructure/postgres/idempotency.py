"""Keys: claimed with the locks of a money transaction, and what one stands for that was claimed before."""

import math
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from application.idempotency import (
    IDEMPOTENCY_KEY_TTL,
    NOT_FOUND_KEY_TTL,
    IdempotencyKey,
    IdempotencyRecord,
    StoredResponse,
)
from domain.errors import RateLimited, SerializationConflict
from infrastructure.postgres.queries import BEGIN, CALLER, EPOCH

# $1 user, $2 session, $3 key, $4 fingerprint, $5 wallets, $6 roles, $7 keys a day, $8 whether spending is counted.
# The claim comes before the locks ("exists" is decided first), so that a retry waits for its first request
# without holding anything; wallets are locked in id order, so that two payments can't wait for each other.
# The time is read after the locks: rows of one wallet are stamped in their order.
CLAIM = f"""
with {CALLER}, quota as materialized (
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

_LIFETIMES: Final = (IDEMPOTENCY_KEY_TTL, NOT_FOUND_KEY_TTL)


async def earlier(
    connection: Any, user_id: UUID, key: IdempotencyKey[Any], free_in_s: float | None
) -> IdempotencyRecord:
    """What the key stands for already.

    Raises:
        RateLimited: for nothing, and the caller has no room for another one.
        SerializationConflict: for nothing any more: its time is over, so it can be claimed anew.
    """
    row = await connection.fetchrow(EARLIER, user_id, key.key, *_LIFETIMES)
    if row is not None and not row["expired"]:
        return _record_of(row)
    if row is None and free_in_s is not None:
        raise RateLimited(max(1, math.ceil(free_in_s)))
    if row is not None:
        await connection.execute(DELETE_EXPIRED, user_id, key.key, *_LIFETIMES)
        await connection.execute("commit")
        await connection.execute(BEGIN)
    raise SerializationConflict


async def earlier_many(
    connection: Any, taken: Sequence[tuple[UUID, str]]
) -> dict[tuple[UUID, str], IdempotencyRecord]:
    """What keys that could not be claimed stand for already, by user and key."""
    rows = await connection.fetch(EARLIER_MANY, *map(list, zip(*taken, strict=True)), *_LIFETIMES)
    return {
        (row["user_id"], row["key"]): _record_of(row)
        for row in rows
        if not row["expired"] and row["status"] is not None
    }


def _record_of(row: Any) -> IdempotencyRecord:
    return IdempotencyRecord(row["fingerprint"], StoredResponse(row["status"], row["body"]))
