"""Profiles with their wallets: found, and made where they are missing, opened with a balance too."""

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog

from application.ports import Row
from domain.audit import AuditAction
from domain.errors import SessionRevoked, Unavailable, UserNotFound
from domain.identity import DisplayFields, Principal
from domain.money import shortened
from infrastructure.postgres.errors import domain_error
from infrastructure.postgres.pool import Pool, acquire_connection
from infrastructure.postgres.shared_reads import SharedReads
from infrastructure.supabase.claims import display_fields

_FIND = """
select p.id::uuid as id, p.username, p.full_name, p.avatar_url, p.role, w.balance::text,
       exists (select from private.bans b where b.user_id = p.id::uuid) as banned
from public.profiles p join public.wallets w on w.user_id = p.id::uuid
where p.id::uuid = any ($1::uuid[]) and private.account_status(p.id::uuid, null) <> 'deleted'
"""
# Nothing is inserted for whom there is already: a column that the app added and this service does not know can't
# break those who have a profile. And nothing for the dead, however long their tokens live.
_OPEN = """
with account as materialized (
  select private.account_status($1, null) as status
), profile as (
  insert into public.profiles (id, username, full_name, avatar_url)
  select $1, $2, $3, $4 from account
  where status <> 'deleted' and not exists (select from public.profiles where id::uuid = $1)
  on conflict (id) do nothing
), wallet as (
  insert into public.wallets (user_id) select $1 from account where status <> 'deleted' on conflict do nothing
  returning true
)
select status, exists (select from wallet) as made from account
"""

log = structlog.get_logger(__name__)


async def open_account(connection: Any, user_id: UUID, display: DisplayFields) -> bool:
    """Make a profile and a wallet on *connection* where they are missing: one statement, two where names are refused.

    Whether it made the wallet: it is empty then, and nobody else's to see before the commit.

    What a user is called decides nothing, so an account is made without it where the app's constraints (a unique
    username, a length) refuse it.

    Raises:
        SessionRevoked: the user is deleted; nothing was made.
        Unavailable: the app's tables take no account at all; the log says which column or constraint.
    """
    fields = (display.username, display.full_name, display.avatar_url)
    try:
        row = await connection.fetchrow(_OPEN, user_id, *fields)
    except asyncpg.PostgresError as error:
        if domain_error(error) is not None:
            raise
        row = await _open_without_names(connection, user_id, error, named=any(fields))
    if row["status"] == "deleted":
        raise SessionRevoked
    return bool(row["made"])


async def _open_without_names(
    connection: Any, user_id: UUID, refused: asyncpg.PostgresError, *, named: bool
) -> Any:
    if named:
        try:
            return await connection.fetchrow(_OPEN, user_id, None, None, None)
        except asyncpg.PostgresError as error:
            if domain_error(error) is not None:
                raise
            refused = error
    where = (getattr(refused, name, None) for name in ("table_name", "column_name", "constraint_name"))
    _tell(refused.sqlstate, *where)
    raise Unavailable from refused


@lru_cache(maxsize=32)
def _tell(state: str | None, table: str | None, column: str | None, constraint: str | None) -> None:
    """Say it once, not with every request: the app's own schema takes no new account."""
    log.error("account.refused", sqlstate=state, table=table, column=column, constraint=constraint)


async def _read(connection: Any, user_ids: Sequence[UUID]) -> dict[UUID, Row]:
    rows = await connection.fetch(_FIND, user_ids)
    return {row["id"]: {**dict(row.items()), "balance": shortened(row["balance"])} for row in rows}


class PostgresAccounts:
    """The port :class:`application.profile.Accounts` on the shared database."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._found = SharedReads(partial(acquire_connection, pool), _read)

    async def find(self, user_id: UUID) -> Row | None:
        """See the port."""
        return await self._found.get(user_id)

    async def open(self, principal: Principal) -> None:
        """See the port."""
        async with acquire_connection(self._pool) as connection:
            await open_account(connection, principal.user_id, principal.display)


# $1 id, or $2 address. Auth keeps addresses in lower case; of several accounts with one (single sign-on) none is meant.
ACCOUNTS_OF = """
select id, raw_user_meta_data::text as metadata from auth.users
where deleted_at is null and case when $1::uuid is null then email = lower($2) else id = $1 end
limit 2
"""


async def find_account(connection: Any, who: UUID | str) -> UUID:
    """The account with this id or e-mail address, in any case; it has a profile and a wallet afterwards.

    *connection* has the rights of Supabase's ``postgres``.

    Raises:
        UserNotFound: there is none, or it was deleted; or several have the address.
    """
    by_id, by_email = (who, None) if isinstance(who, UUID) else (None, who)
    rows = await connection.fetch(ACCOUNTS_OF, by_id, by_email)
    if not rows:
        raise UserNotFound(f"There is no account {who}.")
    if len(rows) > 1:
        raise UserNotFound(f"Several accounts have the address {who}; name one by its id.")
    user_id: UUID = rows[0]["id"]
    metadata = msgspec.json.decode(rows[0]["metadata"] or "null")
    await open_account(connection, user_id, display_fields(metadata))
    return user_id


# $1 user, $2 reason, $3 the word of the audit log
_UNFREEZE = """
with unfrozen as (
  update public.wallets set frozen = false where user_id = $1 and frozen returning user_id, balance
), recorded as (
  insert into private.audit_log (id, operator, action, target_id, before, after, reason, request_id, occurred_at)
  select gen_random_uuid(), session_user, $3, user_id, '{}', jsonb_build_object('balance', balance::text), $2,
         'lingualink unfreeze', clock_timestamp()
  from unfrozen
)
select count(*) from unfrozen
"""


async def unfreeze(connection: Any, user_id: UUID, reason: str) -> bool:
    """Let the owner of a frozen wallet use it again, and record why; whether it was frozen."""
    return bool(await connection.fetchval(_UNFREEZE, user_id, reason, AuditAction.WALLET_UNFROZEN.value))


# Wallet, row, entry and record are one statement, for the books balance at the end of each; a wallet that has moved
# already stays as it is. It opens those of ``given`` (user_id, amount), whose amounts fit.
OPENING = """opened as materialized (
  select gen_random_uuid() as id, user_id, amount::numeric(12, 4) as amount, clock_timestamp() as at
  from given g
  where amount > 0 and not exists (select from public.wallets w where w.user_id = g.user_id and w.version > 0)
), hashed as (
  select o.*, private.transaction_hash(
    null, row(id, user_id, 'opening', amount, amount, 1, null, null, null, at, null)::public.wallet_transactions
  ) as hash
  from opened o
), wallet as (
  insert into public.wallets (user_id, balance, version, updated_at, hash)
  select user_id, amount, 1, at, hash from hashed
  on conflict (user_id) do update
  set balance = excluded.balance, version = 1, updated_at = excluded.updated_at, hash = excluded.hash
), entry as (
  insert into private.ledger_entries (reference_id, account, amount, created_at)
  select id, 'opening', -amount, at from hashed
), posted as (
  insert into public.wallet_transactions (id, user_id, kind, amount, balance_after, version, created_at, hash)
  select id, user_id, 'opening', amount, amount, 1, at, hash from hashed
)"""
# $1 user, $2 amount: for sample people, the doctor's scene, tests.
OPEN_WITH_BALANCE = f"""
with given as (select $1::uuid as user_id, $2::numeric as amount), {OPENING}
insert into private.openings (user_id, balance, transaction_id) select user_id, amount, id from hashed
"""  # noqa: S608 - our own text
