"""Forgetting a person while keeping the books: blanks personal text, keeps ids, amounts and times.

What goes: the profile's columns (the app's own too), the notes of the user's transactions on both sides of a transfer,
in stored answers, and where builds of before read them, the reasons told to the user, their posts' text; posts that
nobody decided on are deleted. What stays: the ledger, withdrawals and their outcomes, sums of money wherever they
are, and the audit log, whose reasons are the words of staff and the proof of what they did.
"""

from collections.abc import Mapping
from uuid import UUID, uuid4

import asyncpg

from domain.audit import AuditAction
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import connected
from infrastructure.postgres.errors import NotDone

# Whatever columns the app has added: all that may be null become null, and nothing that may not is guessed. Sums are
# no words, and builds of before read the wallet's there.
_PROFILE_COLUMNS = """
select quote_ident(attname) from pg_attribute
where attrelid = 'public.profiles'::regclass and attnum > 0 and not attisdropped and not attnotnull
  and attgenerated = '' and attname not in ('balance', 'pending_balance', 'total_earned') order by attnum
"""
_STEPS = {
    "notes of transactions": """
        update public.wallet_transactions set note = null
        where note is not null and (
          user_id = $1
          or reference_id in (
            select reference_id from public.wallet_transactions
            where user_id = $1 and kind in ('transfer_in', 'transfer_out')
          )
        )
        """,
    "own idempotency keys": "delete from private.idempotency_keys where user_id = $1",
    "notes in stored answers": """
        update private.idempotency_keys k set body = jsonb_set(a.answer, '{transaction,note}', 'null')::text
        from (select user_id, key, body::jsonb as answer from private.idempotency_keys where status = 201) a
        where (k.user_id, k.key) = (a.user_id, a.key) and a.answer #>> '{transaction,note}' is not null
          and ($1::uuid)::text in (
            a.answer #>> '{transaction,user_id}', a.answer #>> '{transaction,counterparty_id}'
          )
        """,
    "reasons of withdrawals": """
        update public.wallet_withdrawals set reason = null where user_id = $1 and reason is not null
        """,
    "undecided posts": "delete from private.posts where author_id = $1 and validation_status = 'pending'",
    "posts": """
        update private.posts
        set title = 'erased', body = null, media_url = null, validation_reason = null where author_id = $1
        """,
    "reasons of bans": "update private.bans set reason = 'erased' where user_id = $1",
    "reasons in events": """
        update private.realtime_outbox set payload = payload || '{"reason": null}'
        where topic = 'user:' || ($1::uuid)::text and payload ->> 'reason' is not null
        """,
}
# Where an app of before had its history of money, the ledger's rows were written too, with their notes.
_IS_MIRRORED = """
select exists (select from private.adoption_steps where name = 'money.mirrors') and exists (
  select from pg_attribute where attrelid = to_regclass('public.transactions') and attname = 'description'
)
"""
_MIRRORED = """
update public.transactions set description = null
where description is not null and (
  lower(user_id::text) = ($1::uuid)::text
  or id::text in (
    select o.id::text from public.wallet_transactions t join public.wallet_transactions o using (reference_id)
    where t.user_id = $1 and t.kind in ('transfer_in', 'transfer_out')
  )
)
"""
_RECORD = """
insert into private.audit_log
  (id, operator, action, target_id, before, after, request_id, occurred_at)
values ($1, session_user, $2, $3, '{}', '{}', 'lingualink erase-user', clock_timestamp())
"""


_KNOWN = """
select exists (select from public.profiles where id::uuid = $1)
  or exists (select from public.wallets where user_id = $1)
  or exists (select from private.posts where author_id = $1)
  or exists (select from public.wallet_transactions where user_id = $1)
  or exists (select from private.audit_log where target_id = $1)
"""


async def erase(address: DatabaseAddress, user_id: UUID) -> Mapping[str, int]:
    """Blank what is personal of *user_id*, in one transaction; how many rows of each sort. Safe to repeat.

    Raises:
        NotDone: the user's Auth account is still there; or nobody with this id was ever here, and a typing mistake
            would look like success.
    """
    async with connected(address) as connection, connection.transaction():
        if await connection.fetchval("select private.account_status($1, null)", user_id) != "deleted":
            raise NotDone("This user still has an Auth account.", "Delete that first, in Supabase Auth.")
        if not await connection.fetchval(_KNOWN, user_id):
            cause = f"Nothing is known of a user {user_id}."
            raise NotDone(cause, "Check the id: it is that of the deleted Auth user.")
        blanked = {"profile": await _blank_profile(connection, user_id)}
        steps = dict(_STEPS)
        if await connection.fetchval(_IS_MIRRORED):
            steps["notes in the app's transactions"] = _MIRRORED
        for what, statement in steps.items():
            blanked[what] = _count(await connection.execute(statement, user_id))
        await connection.execute(_RECORD, uuid4(), AuditAction.USER_ERASED, user_id)
        return blanked


async def _blank_profile(connection: "asyncpg.Connection[asyncpg.Record]", user_id: UUID) -> int:
    names = [row[0] for row in await connection.fetch(_PROFILE_COLUMNS)]
    assignments = ", ".join([*(f"{name} = null" for name in names), "role = 'user'"])
    return _count(
        await connection.execute(f"update public.profiles set {assignments} where id::uuid = $1", user_id)  # noqa: S608 - quoted by the database
    )


def _count(status: str) -> int:
    return int(status.rsplit(" ", 1)[1])
