"""What a client must not be able to do, and what it must: one row is one case, one SQL statement.

ME, VICTIM and BANNED stand for the people of ``people.sql``, whose rows end in what they are.
"""

from dataclasses import dataclass

ME = "00000000-0000-4000-8000-0000000000a1"
VICTIM = "00000000-0000-4000-8000-0000000000b1"
BANNED = "00000000-0000-4000-8000-0000000000c1"


def row(owner: str, number: int) -> str:
    """The id of a row in ``people.sql``."""
    return f"00000000-0000-4000-8000-0000000000{owner}{number}"


MY_PENDING, MY_APPROVED, MY_REJECTED = row("a", 2), row("a", 3), row("a", 4)
THEIR_PENDING = row("b", 2)
BANNED_PENDING = row("c", 2)
NEW = "10000000-0000-4000-8000-000000000001"


@dataclass(frozen=True, slots=True)
class Case:
    """One statement of one client; *who* is a user's id, or None with the anon key alone."""

    name: str
    who: str | None
    sql: str
    topic: str = ""
    """The Realtime topic that the client asks for."""


def _post(values: str) -> str:
    return f"insert into public.posts (id, kind, title, language, {values}"


SETTLE = f"update public.wallet_withdrawals set status = 'failed', settled_by = '{ME}', settled_at = now()"

WRITES = (
    # role, ban, profile
    Case("give oneself a role", ME, f"update public.profiles set role = 'admin' where id = '{ME}'"),
    Case("give everybody a role", ME, "update public.profiles set role = 'admin'"),
    Case("take an admin's role", ME, f"update public.profiles set role = 'user' where id = '{VICTIM}'"),
    Case("rename somebody else", ME, f"update public.profiles set username = 'x' where id = '{VICTIM}'"),
    Case("take over a profile", ME, f"update public.profiles set id = '{NEW}' where id = '{ME}'"),
    Case(
        "backdate one's profile",
        ME,
        f"update public.profiles set created_at = '2000-01-01' where id = '{ME}'",
    ),
    Case("make a profile", ME, f"insert into public.profiles (id, role) values ('{NEW}', 'admin')"),
    Case(
        "upsert a role",
        ME,
        f"insert into public.profiles (id, role) values ('{ME}', 'admin') "
        "on conflict (id) do update set role = 'admin'",
    ),
    Case("delete one's profile", ME, f"delete from public.profiles where id = '{ME}'"),
    Case("delete a profile", ME, f"delete from public.profiles where id = '{VICTIM}'"),
    Case("truncate profiles", ME, "truncate public.profiles"),
    Case("rename somebody with the anon key", None, "update public.profiles set username = 'x'"),
    Case("lift a ban", BANNED, "delete from private.bans"),
    Case(
        "ban somebody",
        ME,
        f"insert into private.bans (user_id, reason, banned_by) values ('{VICTIM}', 'x', '{ME}')",
    ),
    # money
    Case("raise one's balance", ME, f"update public.wallets set balance = 1000 where user_id = '{ME}'"),
    Case("make a balance NaN", ME, f"update public.wallets set balance = 'NaN' where user_id = '{ME}'"),
    Case("empty a wallet", ME, f"update public.wallets set balance = 0 where user_id = '{VICTIM}'"),
    Case(
        "open a full wallet",
        BANNED,
        f"insert into public.wallets (user_id, balance) values ('{BANNED}', 1000)",
    ),
    Case(
        "upsert a balance",
        ME,
        f"insert into public.wallets (user_id) values ('{ME}') on conflict (user_id) do update set balance = 1000",
    ),
    Case(
        "merge a balance",
        ME,
        f"merge into public.wallets w using (values ('{ME}'::uuid)) v (id) on w.user_id = v.id "
        "when matched then update set balance = 1000",
    ),
    Case("delete a wallet", ME, f"delete from public.wallets where user_id = '{VICTIM}'"),
    Case("truncate wallets", ME, "truncate public.wallets"),
    Case(
        "book a transaction",
        ME,
        "insert into public.wallet_transactions (id, user_id, kind, amount, balance_after, version, created_at, hash) "
        f"values ('{NEW}', '{ME}', 'bonus', 5, 15, 2, now(), sha256(''))",
    ),
    Case(
        "change a transaction", ME, f"update public.wallet_transactions set amount = 1 where user_id = '{ME}'"
    ),
    Case("blank a note", ME, f"update public.wallet_transactions set note = null where user_id = '{VICTIM}'"),
    Case("delete a transaction", ME, f"delete from public.wallet_transactions where user_id = '{ME}'"),
    Case("truncate the ledger", ME, "truncate public.wallet_transactions"),
    Case(
        "truncate ledger and wallets with the anon key",
        None,
        "truncate public.wallets, public.wallet_transactions",
    ),
    Case(
        "withdraw without holding",
        ME,
        "insert into public.wallet_withdrawals (id, user_id, amount, transaction_id, created_at) "
        f"values ('{NEW}', '{ME}', 5, '{NEW}', now())",
    ),
    Case("settle one's withdrawal", ME, f"{SETTLE} where user_id = '{ME}'"),
    Case("settle somebody's withdrawal", ME, f"{SETTLE} where user_id = '{VICTIM}'"),
    Case(
        "raise a withdrawal", ME, f"update public.wallet_withdrawals set amount = 50 where user_id = '{ME}'"
    ),
    Case("delete a withdrawal", ME, f"delete from public.wallet_withdrawals where user_id = '{ME}'"),
    Case("truncate withdrawals", ME, "truncate public.wallet_withdrawals"),
    Case("raise a reward", ME, "update private.reward_rates set amount = 1000"),
    # posts
    Case(
        "insert an approved post",
        ME,
        _post(f"author_id, validation_status) values ('{NEW}', 'text', 't', 'rw', '{ME}', 'approved')"),
    ),
    Case(
        "insert a validated post",
        ME,
        _post(f"author_id, validated_by) values ('{NEW}', 'text', 't', 'rw', '{ME}', '{ME}')"),
    ),
    Case(
        "insert a post with a reason",
        ME,
        _post(f"author_id, validation_reason) values ('{NEW}', 'text', 't', 'rw', '{ME}', 'good')"),
    ),
    Case("post as somebody else", ME, _post(f"author_id) values ('{NEW}', 'text', 't', 'rw', '{VICTIM}')")),
    Case("post with the anon key", None, _post(f"author_id) values ('{NEW}', 'text', 't', 'rw', '{ME}')")),
    Case("post while banned", BANNED, _post(f"author_id) values ('{NEW}', 'text', 't', 'rw', '{BANNED}')")),
    Case(
        "edit a post while banned",
        BANNED,
        f"update public.posts set title = 'x' where id = '{BANNED_PENDING}'",
    ),
    Case(
        "approve one's post",
        ME,
        f"update public.posts set validation_status = 'approved' where id = '{MY_PENDING}'",
    ),
    Case(
        "approve somebody's post",
        ME,
        f"update public.posts set validation_status = 'approved' where id = '{THEIR_PENDING}'",
    ),
    Case(
        "bring a rejected post back",
        ME,
        f"update public.posts set validation_status = 'pending' where id = '{MY_REJECTED}'",
    ),
    Case("edit an approved post", ME, f"update public.posts set title = 'x' where id = '{MY_APPROVED}'"),
    Case(
        "sign a post as its moderator",
        ME,
        f"update public.posts set validated_by = '{VICTIM}' where id = '{MY_PENDING}'",
    ),
    Case(
        "reword the reason", ME, f"update public.posts set validation_reason = 'x' where id = '{MY_PENDING}'"
    ),
    Case(
        "jump the queue", ME, f"update public.posts set created_at = '2000-01-01' where id = '{MY_PENDING}'"
    ),
    Case("give a post away", ME, f"update public.posts set author_id = '{VICTIM}' where id = '{MY_PENDING}'"),
    Case("take a post over", ME, f"update public.posts set author_id = '{ME}' where id = '{THEIR_PENDING}'"),
    Case("rename a post's id", ME, f"update public.posts set id = '{NEW}' where id = '{MY_PENDING}'"),
    Case("edit somebody's post", ME, f"update public.posts set title = 'x' where id = '{THEIR_PENDING}'"),
    Case("delete somebody's post", ME, f"delete from public.posts where id = '{THEIR_PENDING}'"),
    Case("delete one's approved post", ME, f"delete from public.posts where id = '{MY_APPROVED}'"),
    Case("delete posts with the anon key", None, "delete from public.posts"),
    Case("truncate posts", ME, "truncate public.posts"),
    # what only the backend keeps
    Case(
        "write an audit row",
        ME,
        "insert into private.audit_log (id, actor_id, session_id, action, target_id, before, after, request_id, "
        f"occurred_at) values ('{NEW}', '{VICTIM}', '{NEW}', 'x', '{ME}', '{{}}', '{{}}', 'r', now())",
    ),
    Case("change an audit row", ME, "update private.audit_log set reason = 'x'"),
    Case("delete the audit log", ME, "delete from private.audit_log"),
    Case("truncate the audit log", ME, "truncate private.audit_log"),
    Case(
        "owe somebody an event",
        ME,
        "insert into private.realtime_outbox (event_id, topic, event, payload) "
        f"values ('{NEW}', 'user:{VICTIM}', 'balance_updated', '{{}}')",
    ),
    Case("drop what is owed", ME, "delete from private.realtime_outbox"),
    Case("take the relay's lease", ME, "update private.relay_lease set expires_at = 'infinity'"),
    Case("hide that old tokens come", ME, "update private.legacy_tokens set last_accepted_at = '-infinity'"),
    Case("forget idempotency keys", ME, "delete from private.idempotency_keys"),
    Case("fake the schema level", ME, "update private.schema_level set level = 1000"),
)

REALTIME_WRITES = (
    Case(
        "send on somebody's topic",
        ME,
        f"insert into realtime.messages (topic, extension, private) values ('user:{VICTIM}', 'broadcast', true)",
        f"user:{VICTIM}",
    ),
    Case(
        "send on one's own topic",
        ME,
        f"insert into realtime.messages (topic, extension, private) values ('user:{ME}', 'broadcast', true)",
        f"user:{ME}",
    ),
    Case(
        "be present on somebody's topic",
        ME,
        f"insert into realtime.messages (topic, extension, private) values ('user:{VICTIM}', 'presence', true)",
        f"user:{VICTIM}",
    ),
    Case(
        "send with the anon key",
        None,
        f"insert into realtime.messages (topic, extension, private) values ('user:{VICTIM}', 'broadcast', true)",
        f"user:{VICTIM}",
    ),
    Case(
        "change a message", ME, f"update realtime.messages set payload = '{{}}' where topic = 'user:{VICTIM}'"
    ),
    Case(
        "move a message", ME, f"update realtime.messages set topic = 'user:{ME}' where topic = 'room:lobby'"
    ),
)

READS = (
    Case("read somebody's wallet", ME, f"select balance from public.wallets where user_id = '{VICTIM}'"),
    Case("read wallets with the anon key", None, "select balance from public.wallets"),
    Case(
        "read somebody's ledger", ME, f"select id from public.wallet_transactions where user_id = '{VICTIM}'"
    ),
    Case("read the ledger with the anon key", None, "select id from public.wallet_transactions"),
    Case("read somebody's pending post", ME, f"select id from public.posts where id = '{THEIR_PENDING}'"),
    Case(
        "read pending posts with the anon key",
        None,
        "select id from public.posts where validation_status <> 'approved'",
    ),
    Case(
        "read somebody's withdrawals",
        ME,
        f"select id from public.wallet_withdrawals where user_id = '{VICTIM}'",
    ),
    Case("read withdrawals with the anon key", None, "select id from public.wallet_withdrawals"),
    Case("read the audit log", ME, "select id from private.audit_log"),
    Case("read bans", BANNED, "select reason from private.bans"),
    Case("read reward rates", ME, "select amount from private.reward_rates"),
    Case("read what is owed", ME, "select payload from private.realtime_outbox"),
    Case("read idempotency keys", ME, "select key from private.idempotency_keys"),
    Case("ask for somebody's account_status", ME, f"select private.account_status('{VICTIM}', null)"),
    Case("read Supabase Auth's users", ME, "select id from auth.users"),
    Case(
        "listen to somebody's topic",
        ME,
        f"select id from realtime.messages where topic = 'user:{VICTIM}'",
        f"user:{VICTIM}",
    ),
    Case(
        "listen with the anon key",
        None,
        f"select id from realtime.messages where topic = 'user:{VICTIM}'",
        f"user:{VICTIM}",
    ),
    Case("read a wallet with a subject that is no id", "user_2abc", "select balance from public.wallets"),
)

# A case, and how many rows it reads or changes.
ALLOWED = (
    (Case("read profiles", ME, "select username from public.profiles"), 3),
    (Case("read profiles with the anon key", None, "select username from public.profiles"), 3),
    (
        Case(
            "edit one's name",
            ME,
            f"update public.profiles set username = 'new', full_name = 'n' where id = '{ME}'",
        ),
        1,
    ),
    (
        Case(
            "edit one's picture",
            ME,
            f"update public.profiles set avatar_url = 'https://x.test/a.png' where id = '{ME}'",
        ),
        1,
    ),
    (
        Case(
            "edit one's profile while banned",
            BANNED,
            f"update public.profiles set username = 'renamed' where id = '{BANNED}'",
        ),
        1,
    ),
    (Case("add a post", ME, _post(f"author_id, body) values ('{NEW}', 'voice', 't', 'rw', '{ME}', 'b')")), 1),
    (
        Case(
            "add a pending post",
            ME,
            _post(f"author_id, validation_status) values ('{NEW}', 'video', 't', 'rw', '{ME}', 'pending')"),
        ),
        1,
    ),
    (
        Case(
            "edit one's pending post",
            ME,
            f"update public.posts set title = 'better', body = 'b' where id = '{MY_PENDING}'",
        ),
        1,
    ),
    (Case("delete one's pending post", ME, f"delete from public.posts where id = '{MY_PENDING}'"), 1),
    (Case("read one's posts", ME, f"select id from public.posts where author_id = '{ME}'"), 3),
    (Case("read approved posts", ME, "select id from public.posts where validation_status = 'approved'"), 2),
    (Case("read approved posts with the anon key", None, "select id from public.posts"), 2),
    (Case("read one's wallet", ME, "select balance from public.wallets"), 1),
    (Case("read one's withdrawals", ME, "select id from public.wallet_withdrawals"), 1),
    (Case("read one's ledger", ME, "select amount from public.wallet_transactions"), 1),
    (
        Case(
            "listen to one's topic",
            ME,
            f"select id from realtime.messages where topic = 'user:{ME}'",
            f"user:{ME}",
        ),
        1,
    ),
)

# After the app's own migration.
ALLOWED_TO_APP = (
    (
        Case(
            "edit a later column of one's profile",
            ME,
            f"update public.profiles set bio = 'hi' where id = '{ME}'",
        ),
        1,
    ),
    (
        Case(
            "edit a later column of one's post",
            ME,
            f"update public.posts set mood = 'glad' where id = '{MY_PENDING}'",
        ),
        1,
    ),
    (
        Case(
            "set a later column of a new post",
            ME,
            _post(f"author_id, mood) values ('{NEW}', 'text', 't', 'rw', '{ME}', 'glad')"),
        ),
        1,
    ),
    (Case("read through a view", ME, "select username from public.app_profiles"), 3),
    (
        Case(
            "edit one's name through a view",
            ME,
            f"update public.app_profiles set username = 'renamed' where id = '{ME}'",
        ),
        1,
    ),
    (
        Case(
            "edit one's name through a definer function",
            ME,
            f"select public.app_do($$update public.profiles set username = 'renamed' where id = '{ME}'$$)",
        ),
        1,
    ),
    (
        Case(
            "send in a room of the app's",
            ME,
            "insert into realtime.messages (topic, extension, private) values ('room:lobby', 'broadcast', true)",
            "room:lobby",
        ),
        1,
    ),
    (
        Case(
            "listen in a room of the app's",
            ME,
            "select id from realtime.messages where topic = 'room:lobby'",
            "room:lobby",
        ),
        1,
    ),
)
WRITES_THROUGH_APP = (
    Case(
        "be promoted by a trigger of the app's",
        ME,
        f"update public.profiles set bio = 'make me admin' where id = '{ME}'",
    ),
    Case(
        "give oneself a role through a view",
        ME,
        f"update public.app_profiles set role = 'admin' where id = '{ME}'",
    ),
    Case(
        "rename somebody through a view",
        ME,
        f"update public.app_profiles set username = 'x' where id = '{VICTIM}'",
    ),
    Case("raise a balance through a view", ME, "update public.app_wallets set balance = 1000"),
    Case("approve a post through a view", ME, "update public.app_posts set validation_status = 'approved'"),
    Case("delete posts through a view", ME, "delete from public.app_posts"),
)
