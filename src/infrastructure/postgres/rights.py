"""Roles, bans and rates inside a transaction: what is held, what is locked, and the SQL that changes it."""

from datetime import datetime
from typing import Any
from uuid import UUID

from application.unit_of_work import RateCase, UserCase
from domain.audit import REFUSALS_KEPT
from domain.errors import UserNotFound
from domain.money import Money
from domain.rewards import RewardedAction, RewardRate
from infrastructure.postgres.rows import USER_COLUMNS, USER_TABLES, user_of

# One number for all changes of roles and bans; migrations have 6117003.
STAFF_LOCK = 6_117_004
# The class of the locks that count one user's refusals.
REFUSALS_LOCK = 6_117

LOCK_STAFF = "select pg_advisory_xact_lock($1)"
# Not shared: whoever waits for the row is served in order, so nobody can keep a change of their own role or a ban
# (which lock the profile too) waiting by never letting go of it.
LOCK_CALLER = "select from public.profiles where id = $1 for no key update"

_LOCK_USER = f"select {USER_COLUMNS} from {USER_TABLES} where p.id = $1 for no key update of p"  # noqa: S608
_OPEN_WALLET = "insert into public.wallets (user_id) values ($1) on conflict do nothing"
# A statement of its own: it sees what was committed while the user's lock was waited for.
_OTHER_ADMINS = """
select clock_timestamp() as now, count(*) as other_admins
from public.profiles p
where p.role = 'admin' and p.id <> $1
  and not exists (select from private.bans b where b.user_id = p.id)
  and private.account_status(p.id, null) = 'active'
"""
SAVE_ROLE = "update public.profiles set role = $2 where id = $1"
SAVE_BAN = """
insert into private.bans (user_id, reason, banned_by, banned_at) values ($1, $2, $3, $4)
on conflict (user_id) do update
set reason = excluded.reason, banned_by = excluded.banned_by, banned_at = excluded.banned_at
"""
LIFT_BAN = "delete from private.bans where user_id = $1"

_SAY_RATE = "insert into private.reward_rates (action, amount) values ($1, 0) on conflict do nothing"
_LOCK_RATE = """
select amount, updated_at, clock_timestamp() as now from private.reward_rates where action = $1 for update
"""
SAVE_RATE = "update private.reward_rates set amount = $2, updated_at = $3 where action = $1"

_COUNT_REFUSALS = """
select count(*) from (
  select from private.audit_log where actor_id = $1 and refusal is not null and occurred_at > $2 limit $3
) recent
"""
_COUNT_ALONE = "select pg_advisory_xact_lock($1, hashtext($2::uuid::text))"


async def lock_user(connection: Any, user_id: UUID) -> UserCase:
    """Lock a profile, and count the admins besides it: two statements, three for a user without a wallet.

    Raises:
        UserNotFound: there is no such profile, or its user is deleted.
    """
    row = await connection.fetchrow(_LOCK_USER, user_id)
    if row is None or (user := user_of(row)).deleted:
        raise UserNotFound
    if row["balance"] is None:
        await connection.execute(_OPEN_WALLET, user_id)
    counted = await connection.fetchrow(_OTHER_ADMINS, user_id)
    return UserCase(user, counted["other_admins"], counted["now"])


async def lock_rate(connection: Any, action: RewardedAction) -> RateCase:
    """Lock a rate, which is zero where nothing was said yet: two statements."""
    await connection.execute(_SAY_RATE, action)
    row = await connection.fetchrow(_LOCK_RATE, action)
    return RateCase(RewardRate(action, Money(row["amount"]), row["updated_at"]), row["now"])


async def refusals_of(connection: Any, actor_id: UUID, since: datetime) -> int:
    """Count without waiting where the answer is known; else alone, until the transaction ends."""
    arguments = (actor_id, since, REFUSALS_KEPT)
    counted = int(await connection.fetchval(_COUNT_REFUSALS, *arguments))
    if counted < REFUSALS_KEPT:
        await connection.execute(_COUNT_ALONE, REFUSALS_LOCK, actor_id)
        counted = int(await connection.fetchval(_COUNT_REFUSALS, *arguments))
    return counted
