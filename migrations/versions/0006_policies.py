"""What the Supabase SDK sees. Restrictive policies hold whatever permissive ones the app adds later."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ME = "(select auth.uid())"
MY_PROFILE = f"id::uuid = {ME}"
OWN_PENDING = f"author_id = {ME} and validation_status = 'pending'"

ALLOWED = {
    "everybody_reads_approved": "posts for select to anon, authenticated using (validation_status = 'approved')",
    "author_reads_post": f"posts for select to authenticated using (author_id = {ME})",
    "author_adds_post": f"posts for insert to authenticated with check ({OWN_PENDING})",
    "author_edits_pending": f"posts for update to authenticated using ({OWN_PENDING}) with check ({OWN_PENDING})",
    "author_deletes_pending": f"posts for delete to authenticated using ({OWN_PENDING})",
    "owner_reads_wallet": f"wallets for select to authenticated using (user_id = {ME})",
    "owner_reads_transactions": f"wallet_transactions for select to authenticated using (user_id = {ME})",
    "owner_reads_withdrawals": f"wallet_withdrawals for select to authenticated using (user_id = {ME})",
}

# Where the app's own table was taken over, its policies say this: an adoption opens nothing. Where it had no row level
# security, it has it from here on, and these say what was so before.
OF_PROFILES = {
    "everybody_reads_profiles": "profiles for select to anon, authenticated using (true)",
    "owner_edits_profile": f"profiles for update to authenticated using ({MY_PROFILE}) with check ({MY_PROFILE})",
}

UNLESS_ADOPTED = """
if not (select relrowsecurity from pg_class where oid = 'public.profiles'::regclass)
   or not exists (select from private.adoption where 'public.profiles' = any (tables)) then
  {};
  alter table public.profiles enable row level security;
end if"""

READ_ONLY = {
    "select": f"using (user_id = {ME})",
    "insert": "with check (false)",
    "update": "using (false)",
    "delete": "using (false)",
}
# The app's own policies are OR-ed among themselves, and AND-ed with these.
ONLY = {
    "profiles": {
        # an upsert of one's own; the guard refuses a new one
        "insert": f"with check ({MY_PROFILE})",
        "update": f"using ({MY_PROFILE})",
        "delete": "using (false)",
    },
    "posts": {
        "select": f"using (validation_status = 'approved' or author_id = {ME})",
        "insert": f"with check ({OWN_PENDING})",
        "update": f"using ({OWN_PENDING})",
        "delete": f"using ({OWN_PENDING})",
    },
    "wallets": READ_ONLY,
    "wallet_transactions": READ_ONLY,
    "wallet_withdrawals": READ_ONLY,
}

HIDDEN = (
    *("private.ledger_entries", "private.ledger_days", "private.ledger_seals", "private.ledger_epoch"),
    *(
        "private.approvals",
        "private.bans",
        "private.reward_rates",
        "private.audit_log",
        "private.idempotency_keys",
    ),
    *("private.schema_level", "private.realtime_outbox", "private.relay_lease", "private.legacy_tokens"),
    *("private.adoption", "private.adoption_steps", "private.adopted_roles", "private.openings"),
    "private.adopted_earnings",
)
# Posts are served through a view, which has its owner's rights.
SERVED = (*(f"public.{table}" for table in ONLY if table != "posts"), *HIDDEN)


def now_is(column: str) -> str:
    """Whether *column* is a time of now: its transaction may have begun a minute ago, no more."""
    return f"{column} > now() - interval '1 minute' and {column} < clock_timestamp() + interval '1 minute'"


# What even the service's password does not buy: none of it is ever needed. Nothing is written into the past, so that
# what was sealed and proven stays so.
SERVICE_ONLY = {
    "keeps_what_is_owed": (
        "private.realtime_outbox as restrictive for delete to {role} using (delivered_at is not null)"
    ),
    "tells_users_their_own": (
        "private.realtime_outbox as restrictive for insert to {role} "
        "with check (topic = 'user:' || coalesce(payload ->> 'user_id', payload ->> 'author_id'))"
    ),
    "is_no_operator": (
        "private.audit_log as restrictive for insert to {role} "
        f"with check (operator is null and {now_is('occurred_at')})"
    ),
    "brings_no_balance_along": (
        "public.wallet_transactions as restrictive for insert to {role} "
        f"with check (kind <> 'opening' and {now_is('created_at')})"
    ),
    "enters_what_is_now": (
        f"private.ledger_entries as restrictive for insert to {{role}} with check ({now_is('created_at')})"
    ),
    "holds_before_it_settles": (
        "public.wallet_withdrawals as restrictive for insert to {role} "
        f"with check (status = 'held' and {now_is('created_at')})"
    ),
    "settles_now": (
        "public.wallet_withdrawals as restrictive for update to {role} "
        f"using (true) with check ({now_is('settled_at')})"
    ),
    "keeps_young_keys": (
        "private.idempotency_keys as restrictive for delete to {role} using ("
        "status is null or created_at < now() - interval '30 days' "
        "or status = 404 and created_at < now() - interval '1 hour')"
    ),
    "sums_days_that_are_over": (
        "private.ledger_days as restrictive for insert to {role} "
        "with check (day < cast(now() at time zone 'UTC' as date))"
    ),
    "seals_what_is_past": (
        "private.ledger_seals as restrictive for insert to {role} with check (sealed_until <= clock_timestamp())"
    ),
    "lets_go_of_the_lease": (
        "private.relay_lease as restrictive for update to {role} "
        "using (true) with check (expires_at <= clock_timestamp() + interval '1 minute')"
    ),
    "asks_before_it_approves": (
        "private.approvals as restrictive for insert to {role} "
        f"with check (status = 'waiting' and {now_is('created_at')})"
    ),
    "approves_now": (
        "private.approvals as restrictive for update to {role} "
        f"using (true) with check (decided_at is null or {now_is('decided_at')})"
    ),
}

UP = (
    *(f"create policy {name} on public.{rule}" for name, rule in ALLOWED.items()),
    UNLESS_ADOPTED.format(
        ";\n".join(f"create policy {name} on public.{rule}" for name, rule in OF_PROFILES.items())
    ),
    *(
        f"create policy only_{command} on public.{table} as restrictive for {command} to anon, authenticated {rule}"
        for table, rules in ONLY.items()
        for command, rule in rules.items()
    ),
    *(
        f"create policy only_backend on {table} as restrictive to anon, authenticated using (false)"
        for table in HIDDEN
    ),
    *(
        f"create policy service on {table} to lingualink_api using (true) with check (true)"
        for table in SERVED
    ),
    *(
        f"create policy service_{name} on {rule.format(role='lingualink_api')}"
        for name, rule in SERVICE_ONLY.items()
    ),
)
DOWN = (
    *(f"drop policy service_{name} on {rule.split()[0]}" for name, rule in SERVICE_ONLY.items()),
    *(f"drop policy service on {table}" for table in SERVED),
    *(f"drop policy only_backend on {table}" for table in HIDDEN),
    *(f"drop policy only_{command} on public.{table}" for table, rules in ONLY.items() for command in rules),
    *(f"drop policy {name} on public.{rule.split()[0]}" for name, rule in ALLOWED.items()),
    *(f"drop policy if exists {name} on public.{rule.split()[0]}" for name, rule in OF_PROFILES.items()),
)


# In one round trip: on hosted Supabase (supautils) each policy takes ACCESS EXCLUSIVE on some twenty tables of Auth,
# Storage and Realtime until the commit, and the network must not decide how long that is.
AT_ONCE = "do $do$ begin\n{};\nend $do$"


def upgrade() -> None:
    op.execute("set local lock_timeout = '400ms'")
    op.execute("set local statement_timeout = '10s'")
    op.execute(AT_ONCE.format(";\n".join(UP)))
    op.execute("update private.schema_level set level = 6")


def downgrade() -> None:
    op.execute("set local lock_timeout = '400ms'")
    op.execute("set local statement_timeout = '10s'")
    op.execute(AT_ONCE.format(";\n".join(DOWN)))
    op.execute("update private.schema_level set level = 5")
