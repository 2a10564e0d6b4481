"""Tries what clients must not be able to do, and what they must, in a transaction that is always rolled back.

Each try is one statement on made-up rows, as PostgREST would run it. ``{me}``, ``{other}`` and ``{banned}`` are made-up
users. ``{mine}`` and ``{approved}`` are posts of the first, pending and approved; ``{theirs}`` and ``{posted}`` are
pending posts of the others; ``{new}`` is a fresh id.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from uuid import uuid4

import asyncpg

from infrastructure.doctor.findings import Finding, Findings, error, warning
from infrastructure.postgres.accounts import OPEN_WITH_BALANCE

NAMES = ("me", "other", "banned", "mine", "approved", "theirs", "posted", "new")
BUSY = {"57014", "55P03"}
INTEGRITY = "23"


@dataclass(frozen=True, slots=True)
class Probe:
    """Something that a client tries; *who* is one of the made-up users, or ``anon``."""

    name: str
    sql: str
    who: str = "me"


_POST = (
    "insert into public.posts (id, kind, title, language, author_id{columns}) "
    "values ('{{new}}', 'text', 't', 'en', "
)
_BOOK = (
    "insert into public.wallet_transactions (id, user_id, kind, amount, balance_after, version, created_at, hash) "
    "values ('{new}', '{me}', 'bonus', 5, 15, 2, now(), sha256(''))"
)
_AUDIT = (
    "insert into private.audit_log "
    "(id, actor_id, session_id, action, target_id, before, after, request_id, occurred_at) "
    "values (gen_random_uuid(), '{me}', '{me}', 'post.validation_changed', '{me}', '{{}}', '{{}}', 'x', now())"
)
_SEND = "insert into realtime.messages (topic, extension, private) values ('user:{other}', 'broadcast', true)"

_WITHDRAW = (
    "insert into public.wallet_withdrawals (id, user_id, amount, transaction_id, created_at) "
    "values (gen_random_uuid(), '{user}', 5, gen_random_uuid(), now())"
)

FORBIDDEN = (
    Probe("give itself a role", "update public.profiles set role = 'admin' where id = '{me}'"),
    Probe("edit another user's profile", "update public.profiles set username = 'x' where id = '{other}'"),
    Probe("make a profile", "insert into public.profiles (id) values ('{new}')"),
    Probe("delete a profile", "delete from public.profiles where id = '{me}'"),
    Probe("truncate profiles", "truncate public.profiles"),
    Probe("change a balance", "update public.wallets set balance = 1000 where user_id = '{me}'"),
    Probe("open a full wallet", "insert into public.wallets (user_id, balance) values ('{new}', 1000)"),
    Probe("delete a wallet", "delete from public.wallets where user_id = '{me}'"),
    Probe("truncate wallets", "truncate public.wallets"),
    Probe("read another user's wallet", "select balance from public.wallets where user_id = '{other}'"),
    Probe("read wallets with the anon key", "select balance from public.wallets", "anon"),
    Probe("book a transaction", _BOOK),
    Probe("change a transaction", "update public.wallet_transactions set note = null where user_id = '{me}'"),
    Probe("delete a transaction", "delete from public.wallet_transactions where user_id = '{me}'"),
    Probe("truncate the ledger", "truncate public.wallet_transactions"),
    Probe(
        "read another user's ledger", "select id from public.wallet_transactions where user_id = '{other}'"
    ),
    Probe("withdraw without holding", _WITHDRAW.format(user="{me}")),
    Probe("settle a withdrawal", "update public.wallet_withdrawals set reason = 'x' where user_id = '{me}'"),
    Probe(
        "read another user's withdrawals",
        "select id from public.wallet_withdrawals where user_id = '{other}'",
    ),
    Probe("insert an approved post", _POST.format(columns=", validation_status") + "'{me}', 'approved')"),
    Probe("post as somebody else", _POST.format(columns="") + "'{other}')"),
    Probe("post with the anon key", _POST.format(columns="") + "'{me}')", "anon"),
    Probe("post while banned", _POST.format(columns="") + "'{banned}')", "banned"),
    Probe("edit a post while banned", "update public.posts set title = 'x' where id = '{posted}'", "banned"),
    Probe("approve its post", "update public.posts set validation_status = 'approved' where id = '{mine}'"),
    Probe("edit an approved post", "update public.posts set title = 'x' where id = '{approved}'"),
    Probe("edit another user's post", "update public.posts set title = 'x' where id = '{theirs}'"),
    Probe("delete another user's post", "delete from public.posts where id = '{theirs}'"),
    Probe("read another user's pending post", "select id from public.posts where id = '{theirs}'"),
    Probe("truncate posts", "truncate public.posts"),
    Probe("write an audit row", _AUDIT),
    Probe("read the audit log", "select id from private.audit_log"),
    Probe("lift a ban", "delete from private.bans where user_id = '{banned}'"),
    Probe("read what Realtime is owed", "select id from private.realtime_outbox"),
    Probe("raise a reward", "update private.reward_rates set amount = 1000"),
    Probe("send on another user's topic", _SEND),
    Probe("listen to another user's topic", "select id from realtime.messages where topic = 'user:{other}'"),
)

NEEDED = (
    Probe("read profiles", "select id from public.profiles where id = '{other}'"),
    # The app's own checks say what a name may be.
    Probe("edit its own name", "update public.profiles set full_name = full_name where id = '{me}'"),
    Probe("read its own posts", "select id from public.posts where id = '{mine}'"),
    Probe("edit its own pending post", "update public.posts set title = 'x' where id = '{mine}'"),
    Probe("delete its own pending post", "delete from public.posts where id = '{mine}'"),
    Probe("read approved posts", "select id from public.posts where id = '{approved}'", "anon"),
    Probe("read its own wallet", "select balance from public.wallets where user_id = '{me}'"),
    Probe("read its own ledger", "select id from public.wallet_transactions where user_id = '{me}'"),
    Probe("read its own withdrawals", "select id from public.wallet_withdrawals where user_id = '{me}'"),
    Probe("listen to its own topic", "select id from realtime.messages where topic = 'user:{me}'"),
)

# A trigger of the app's on Auth's users may have made them.
MADE_UP = (
    "insert into public.profiles (id, username) values ('{me}', null), ('{other}', null), ('{banned}', null) "
    "on conflict do nothing"
)
BANNED = "insert into private.bans (user_id, reason, banned_by) values ('{banned}', 'x', '{me}')"
# What the probes are about: made up in the same transaction, which is rolled back.
SCENE = (
    MADE_UP,
    (
        "insert into public.posts (id, author_id, kind, title, language, validation_status) values "
        "('{mine}', '{me}', 'text', 't', 'en', 'pending'), ('{approved}', '{me}', 'text', 't', 'en', 'approved'), "
        "('{theirs}', '{other}', 'text', 't', 'en', 'pending'), ('{posted}', '{banned}', 'text', 't', 'en', 'pending')"
    ),
    *(OPEN_WITH_BALANCE.replace("$1", f"'{{{user}}}'").replace("$2", "10") for user in ("me", "other")),
    _WITHDRAW.format(user="{me}"),
    _WITHDRAW.format(user="{other}"),
    BANNED,
    _AUDIT,
    (
        "insert into private.realtime_outbox (event_id, topic, event, payload) "
        "values (gen_random_uuid(), 'user:{other}', 'x', '{{}}')"
    ),
    "insert into private.reward_rates (action, amount) values ('post_approved', 1) on conflict do nothing",
    (
        "insert into realtime.messages (topic, extension, event, payload, private) values "
        "('user:{me}', 'broadcast', 'x', '{{}}', true), ('user:{other}', 'broadcast', 'x', '{{}}', true)"
    ),
)
# Where profiles refer to Supabase Auth's users; it may not be allowed, and may not be needed.
USERS = "insert into auth.users (id) values ('{me}'), ('{other}'), ('{banned}')"


async def check_clients(connection: asyncpg.Connection) -> Findings:
    """Find what a client could do, or could not, by doing it on rows that never existed, as *connection*'s owner."""
    async for finding in try_as_clients(connection, SCENE, FORBIDDEN, NEEDED):
        yield finding


async def try_as_clients(
    connection: asyncpg.Connection,
    scene: Iterable[str],
    forbidden: Iterable[Probe],
    needed: Iterable[Probe] = (),
) -> Findings:
    """Find which of *forbidden* a client could do, and which of what is *needed* not, on the rows of *scene*."""
    ids = {name: str(uuid4()) for name in NAMES}
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("set local statement_timeout = '1s'; set local lock_timeout = '1s'")
        with suppress(asyncpg.PostgresError):
            async with connection.transaction():
                await connection.execute(USERS.format(**ids))
        for statement in scene:
            await connection.execute(statement.format(**ids))
        tried = [await _try(connection, probe, ids, forbidden=True) for probe in forbidden]
        tried += [await _try(connection, probe, ids, forbidden=False) for probe in needed]
    except asyncpg.PostgresError as failure:
        tried = [
            not_probed(
                f"the rows to try it on can't be made up: {failure}",
                "connect with the rights of Supabase's postgres; give columns that the app added a default",
            )
        ]
    finally:
        await transaction.rollback()
    for finding in filter(None, tried):
        yield finding


async def _try(
    connection: asyncpg.Connection, probe: Probe, ids: Mapping[str, str], *, forbidden: bool
) -> Finding | None:
    why = "nothing happens"
    try:
        reached = await _run(connection, probe, ids)
    except asyncpg.PostgresError as refused:
        if refused.sqlstate in BUSY:
            return not_probed(
                f"the database was too busy to try whether a client can {probe.name}", "try again"
            )
        # A constraint stands behind the guards: whoever reaches it got past them.
        reached, why = forbidden and (refused.sqlstate or "").startswith(INTEGRITY), str(refused)
    if forbidden and reached:
        return error(
            "client_can",
            f"a client can {probe.name}",
            "restore the policies and triggers that are missing, and drop what the app added around them "
            "(docs/database.md)",
        )
    if not (forbidden or reached):
        return error(
            "client_can_not",
            f"a client can't {probe.name} ({why})",
            "restore the grants and policies that are missing, and drop restrictive ones that the app added",
        )
    return None


async def _run(connection: asyncpg.Connection, probe: Probe, ids: Mapping[str, str]) -> bool:
    """Whether the probe read or changed anything; what it did is undone.

    Raises:
        asyncpg.PostgresError: it was refused.
    """
    role = "anon" if probe.who == "anon" else "authenticated"
    claims = {"role": role} if probe.who == "anon" else {"role": role, "sub": ids[probe.who]}
    attempt = connection.transaction()
    await attempt.start()
    try:
        await connection.execute(f"set local role {role}")
        await connection.execute(
            "select set_config('request.jwt.claims', $1, true), set_config('realtime.topic', $2, true)",
            json.dumps(claims),
            f"user:{ids['me']}",
        )
        status = await connection.execute(probe.sql.format(**ids))
    finally:
        await attempt.rollback()
    # "UPDATE 0" and "SELECT 0" reached nothing; TRUNCATE does not count.
    return not status.endswith(" 0")


def not_probed(why: str, fix: str) -> Finding:
    """What clients can do is not known."""
    return warning("clients_not_probed", f"what clients can do was not tried: {why}", fix)
