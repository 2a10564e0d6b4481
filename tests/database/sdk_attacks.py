"""The attacks of ``attacks.py`` as an app's user would send them: the calls of supabase-js that build each query.

What SQL says and PostgREST can't stands in :data:`UNSPEAKABLE`; a test sees to it that nothing is forgotten.
"""

from collections.abc import Sequence

from database.attacks import (
    BANNED,
    BANNED_PENDING,
    ME,
    MY_APPROVED,
    MY_PENDING,
    MY_REJECTED,
    NEW,
    THEIR_PENDING,
    VICTIM,
)
from support.sdk import Steps

UNSPEAKABLE = ("truncate", "merge")
EVERYBODY = ["neq", "id", NEW]
NOW = "2026-01-01T00:00:00Z"


def update(table: str, values: dict[str, object], *where: Sequence[object]) -> Steps:
    return [["from", table], ["update", values], *where, ["select"]]


def insert(table: str, values: dict[str, object]) -> Steps:
    return [["from", table], ["insert", values], ["select"]]


def upsert(table: str, values: dict[str, object], key: str) -> Steps:
    return [["from", table], ["upsert", values, {"onConflict": key}], ["select"]]


def delete(table: str, *where: Sequence[object]) -> Steps:
    return [["from", table], ["delete"], *where, ["select"]]


def read(table: str, *where: Sequence[object]) -> Steps:
    return [["from", table], ["select"], *where]


def private(steps: Steps) -> Steps:
    return [["schema", "private"], *steps]


def post(values: dict[str, object]) -> Steps:
    return insert("posts", {"id": NEW, "kind": "text", "title": "t", "language": "rw", **values})


def of(column: str, value: str) -> Sequence[object]:
    return ["eq", column, value]


SETTLED: dict[str, object] = {"status": "failed", "settled_by": ME, "settled_at": NOW}
TRANSACTION: dict[str, object] = {
    "id": NEW,
    "user_id": ME,
    "kind": "bonus",
    "amount": "5",
    "balance_after": "15",
    "version": 2,
    "created_at": NOW,
}
WITHDRAWAL: dict[str, object] = {
    "id": NEW,
    "user_id": ME,
    "amount": "5",
    "transaction_id": NEW,
    "created_at": NOW,
}


def realtime(steps: Steps) -> Steps:
    return [["schema", "realtime"], *steps]


def message(topic: str, extension: str = "broadcast") -> Steps:
    return realtime(insert("messages", {"topic": topic, "extension": extension, "private": True}))


SPOKEN: dict[str, Steps] = {
    "give oneself a role": update("profiles", {"role": "admin"}, of("id", ME)),
    "give everybody a role": update("profiles", {"role": "admin"}, EVERYBODY),
    "take an admin's role": update("profiles", {"role": "user"}, of("id", VICTIM)),
    "rename somebody else": update("profiles", {"username": "x"}, of("id", VICTIM)),
    "take over a profile": update("profiles", {"id": NEW}, of("id", ME)),
    "backdate one's profile": update("profiles", {"created_at": "2000-01-01"}, of("id", ME)),
    "make a profile": insert("profiles", {"id": NEW, "role": "admin"}),
    "upsert a role": upsert("profiles", {"id": ME, "role": "admin"}, "id"),
    "delete one's profile": delete("profiles", of("id", ME)),
    "delete a profile": delete("profiles", of("id", VICTIM)),
    "rename somebody with the anon key": update("profiles", {"username": "x"}, EVERYBODY),
    "lift a ban": private(delete("bans", ["neq", "user_id", NEW])),
    "ban somebody": private(insert("bans", {"user_id": VICTIM, "reason": "x", "banned_by": ME})),
    "raise one's balance": update("wallets", {"balance": "1000"}, of("user_id", ME)),
    "make a balance NaN": update("wallets", {"balance": "NaN"}, of("user_id", ME)),
    "empty a wallet": update("wallets", {"balance": "0"}, of("user_id", VICTIM)),
    "open a full wallet": insert("wallets", {"user_id": BANNED, "balance": "1000"}),
    "upsert a balance": upsert("wallets", {"user_id": ME, "balance": "1000"}, "user_id"),
    "delete a wallet": delete("wallets", of("user_id", VICTIM)),
    "book a transaction": insert("wallet_transactions", TRANSACTION),
    "change a transaction": update("wallet_transactions", {"amount": "1"}, of("user_id", ME)),
    "blank a note": update("wallet_transactions", {"note": None}, of("user_id", VICTIM)),
    "delete a transaction": delete("wallet_transactions", of("user_id", ME)),
    "withdraw without holding": insert("wallet_withdrawals", WITHDRAWAL),
    "settle one's withdrawal": update("wallet_withdrawals", SETTLED, of("user_id", ME)),
    "settle somebody's withdrawal": update("wallet_withdrawals", SETTLED, of("user_id", VICTIM)),
    "raise a withdrawal": update("wallet_withdrawals", {"amount": "50"}, of("user_id", ME)),
    "delete a withdrawal": delete("wallet_withdrawals", of("user_id", ME)),
    "raise a reward": private(update("reward_rates", {"amount": "1000"}, ["neq", "action", "x"])),
    "insert an approved post": post({"author_id": ME, "validation_status": "approved"}),
    "insert a validated post": post({"author_id": ME, "validated_by": ME}),
    "insert a post with a reason": post({"author_id": ME, "validation_reason": "good"}),
    "post as somebody else": post({"author_id": VICTIM}),
    "post with the anon key": post({"author_id": ME}),
    "post while banned": post({"author_id": BANNED}),
    "edit a post while banned": update("posts", {"title": "x"}, of("id", BANNED_PENDING)),
    "approve one's post": update("posts", {"validation_status": "approved"}, of("id", MY_PENDING)),
    "approve somebody's post": update("posts", {"validation_status": "approved"}, of("id", THEIR_PENDING)),
    "bring a rejected post back": update("posts", {"validation_status": "pending"}, of("id", MY_REJECTED)),
    "edit an approved post": update("posts", {"title": "x"}, of("id", MY_APPROVED)),
    "sign a post as its moderator": update("posts", {"validated_by": VICTIM}, of("id", MY_PENDING)),
    "reword the reason": update("posts", {"validation_reason": "x"}, of("id", MY_PENDING)),
    "jump the queue": update("posts", {"created_at": "2000-01-01"}, of("id", MY_PENDING)),
    "give a post away": update("posts", {"author_id": VICTIM}, of("id", MY_PENDING)),
    "take a post over": update("posts", {"author_id": ME}, of("id", THEIR_PENDING)),
    "rename a post's id": update("posts", {"id": NEW}, of("id", MY_PENDING)),
    "edit somebody's post": update("posts", {"title": "x"}, of("id", THEIR_PENDING)),
    "delete somebody's post": delete("posts", of("id", THEIR_PENDING)),
    "delete one's approved post": delete("posts", of("id", MY_APPROVED)),
    "delete posts with the anon key": delete("posts", EVERYBODY),
    "write an audit row": private(insert("audit_log", {"id": NEW, "actor_id": VICTIM, "action": "x"})),
    "change an audit row": private(update("audit_log", {"reason": "x"}, EVERYBODY)),
    "delete the audit log": private(delete("audit_log", EVERYBODY)),
    "owe somebody an event": private(insert("realtime_outbox", {"event_id": NEW, "topic": f"user:{VICTIM}"})),
    "drop what is owed": private(delete("realtime_outbox", ["neq", "event_id", NEW])),
    "take the relay's lease": private(update("relay_lease", {"holder": "x"}, ["is", "only_row", True])),
    "hide that old tokens come": private(
        update("legacy_tokens", {"last_accepted_at": "-infinity"}, ["is", "only_row", True])
    ),
    "forget idempotency keys": private(delete("idempotency_keys", ["neq", "user_id", NEW])),
    "fake the schema level": private(update("schema_level", {"level": 1000}, ["gt", "level", 0])),
    "read somebody's wallet": read("wallets", of("user_id", VICTIM)),
    "read wallets with the anon key": read("wallets"),
    "read somebody's ledger": read("wallet_transactions", of("user_id", VICTIM)),
    "read the ledger with the anon key": read("wallet_transactions"),
    "read somebody's pending post": read("posts", of("id", THEIR_PENDING)),
    "read pending posts with the anon key": read("posts", ["neq", "validation_status", "approved"]),
    "read somebody's withdrawals": read("wallet_withdrawals", of("user_id", VICTIM)),
    "read withdrawals with the anon key": read("wallet_withdrawals"),
    "read the audit log": private(read("audit_log")),
    "read bans": private(read("bans")),
    "read reward rates": private(read("reward_rates")),
    "read what is owed": private(read("realtime_outbox")),
    "read idempotency keys": private(read("idempotency_keys")),
    "ask for somebody's account_status": private([["rpc", "account_status", {"user_id": VICTIM}]]),
    "read Supabase Auth's users": [["schema", "auth"], *read("users")],
    "read a wallet with a subject that is no id": read("wallets"),
    "listen to somebody's topic": realtime(read("messages", of("topic", f"user:{VICTIM}"))),
    "listen with the anon key": realtime(read("messages")),
    "send on somebody's topic": message(f"user:{VICTIM}"),
    "send on one's own topic": message(f"user:{ME}"),
    "be present on somebody's topic": message(f"user:{VICTIM}", "presence"),
    "send with the anon key": message(f"user:{VICTIM}"),
    "change a message": realtime(update("messages", {"payload": {}}, of("topic", f"user:{VICTIM}"))),
    "move a message": realtime(update("messages", {"topic": f"user:{ME}"}, of("topic", "room:lobby"))),
    "be promoted by a trigger of the app's": update("profiles", {"bio": "make me admin"}, of("id", ME)),
    "give oneself a role through a view": update("app_profiles", {"role": "admin"}, of("id", ME)),
    "rename somebody through a view": update("app_profiles", {"username": "x"}, of("id", VICTIM)),
    "raise a balance through a view": update("app_wallets", {"balance": "1000"}, ["neq", "user_id", NEW]),
    "approve a post through a view": update("app_posts", {"validation_status": "approved"}, EVERYBODY),
    "delete posts through a view": delete("app_posts", EVERYBODY),
}
