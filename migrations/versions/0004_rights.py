"""Who may do what. Every right is explicit; until the policies come, row level security shows clients nothing."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Privileges, and on what. The service's are what its statements need, and tests/database/test_privileges.py holds them.
SERVICE = (
    ("select, insert (id, username, full_name, avatar_url), update (role)", "public.profiles"),
    ("select, update (validation_status, validated_by, validated_at, validation_reason)", "private.posts"),
    # a wallet is opened empty
    ("select, insert (user_id), update (balance, version, updated_at, hash)", "public.wallets"),
    ("select, insert", "public.wallet_transactions"),
    ("select, insert, update (status, settled_by, settled_at, reason)", "public.wallet_withdrawals"),
    ("select, insert", "private.ledger_entries"),
    ("select, insert", "private.ledger_days"),
    ("select, insert (sealed_until, heads, digest)", "private.ledger_seals"),
    ("select", "private.ledger_epoch"),
    ("select", "private.openings"),
    ("select", "private.adopted_earnings"),
    ("select, insert, update (status, decided_by, decided_at)", "private.approvals"),
    ("select, insert, update (reason, banned_by, banned_at), delete", "private.bans"),
    ("select, insert, update (amount, updated_at)", "private.reward_rates"),
    ("select, insert", "private.audit_log"),
    ("select, insert (user_id, key, fingerprint), update (status, body), delete", "private.idempotency_keys"),
    (
        (
            "select, insert (event_id, topic, event, payload), "
            "update (attempts, last_error, delivered_at, dead_lettered_at), delete"
        ),
        "private.realtime_outbox",
    ),
    ("select, update (holder, expires_at)", "private.relay_lease"),
    ("select, update (last_accepted_at)", "private.legacy_tokens"),
)
# Whole tables where the app adds columns of its own: guards hold ours.
CLIENTS = (
    ("select on public.posts", "anon, authenticated"),
    ("insert, update, delete on public.posts", "authenticated"),
    ("select on public.wallets, public.wallet_transactions, public.wallet_withdrawals", "authenticated"),
)
# Where the app's own table was taken over, its rights stay what they were: an adoption opens nothing.
OF_PROFILES = (
    ("select on public.profiles", "anon, authenticated"),
    ("update on public.profiles", "authenticated"),
)

UP = (
    """
    -- What a wallet gave in the last 24 hours, from its newest row backwards. Volatile, so that a statement that waited
    -- for the wallet's lock sees what was committed meanwhile. Strict, so that nobody is not looked for.
    create function private.spent_today(owner uuid, out sent numeric, out withdrawn numeric)
    language plpgsql volatile strict set search_path = '' as $$
    declare
      since constant timestamptz := clock_timestamp() - interval '24 hours';
      t record;
    begin
      sent := 0;
      withdrawn := 0;
      for t in
        select kind, amount, created_at from public.wallet_transactions
        where (user_id, version) <= (owner, 9223372036854775807) and user_id >= owner
        order by user_id desc, version desc  -- a range, which is read along its index, not sorted
      loop
        exit when t.created_at <= since;
        if t.kind = 'transfer_out' then
          sent := sent - t.amount;
        elsif t.kind = 'withdrawal' then
          withdrawn := withdrawn - t.amount;
        end if;
      end loop;
    end
    $$
    """,
    "revoke all on function private.spent_today(uuid) from public",
    "grant execute on function private.spent_today(uuid) to lingualink_api",
    """
    -- Without a session it answers for the user alone. Definer rights, because the service has none on schema auth.
    -- PL/pgSQL keeps its plan: before PostgreSQL 18 one in SQL is planned again by every statement that calls it.
    create function private.account_status(user_id uuid, session_id uuid) returns text
    language plpgsql stable security definer set search_path = '' as $$
    begin
      return (select case
        when u.id is null or u.deleted_at is not null then 'deleted'
        when account_status.session_id is not null and (s.id is null or s.not_after <= now()) then 'revoked'
        when u.banned_until > now() then 'banned'
        else 'active'
      end
      from (select) one
      left join auth.users u on u.id = account_status.user_id
      left join auth.sessions s on s.id = account_status.session_id and s.user_id = account_status.user_id);
    end
    $$
    """,
    "revoke all on function private.account_status(uuid, uuid) from public",
    "grant execute on function private.account_status(uuid, uuid) to lingualink_api",
    """
    -- Locks a post until the end of the transaction; whether there is one. FOR UPDATE on the view would lock nothing
    -- where it is a union, and the service has no rights on the tables behind it.
    create function private.lock_post(post uuid) returns boolean
    language plpgsql volatile security definer set search_path = '' as $$
    declare
      home regclass;
      locked boolean;
    begin
      perform from public.posts where id = post for update;
      if found then
        return true;
      end if;
      select p.home into home from private.posts p where p.id = post;
      if home is not null then
        execute format('select true from %s where id::uuid = $1 for update', home) into locked using post;
      end if;
      return coalesce(locked, false);
    end
    $$
    """,
    "revoke all on function private.lock_post(uuid) from public",
    "grant execute on function private.lock_post(uuid) to lingualink_api",
    *(f"grant {privileges} on {table} to lingualink_api" for privileges, table in SERVICE),
    *(f"grant {right} to {roles}" for right, roles in CLIENTS),
    f"""
    do $do$ begin
    if not exists (select from private.adoption where 'public.profiles' = any (tables)) then
    {";".join(f"grant {right} to {roles}" for right, roles in OF_PROFILES)};
    end if;
    end $do$
    """,
)
DOWN = (
    *(f"revoke {right} from {roles}" for right, roles in (*CLIENTS, *OF_PROFILES)),
    *(f"revoke all on {table} from lingualink_api" for _, table in SERVICE),
    "drop function private.lock_post(uuid)",
    "drop function private.account_status(uuid, uuid)",
    "drop function private.spent_today(uuid)",
)


def upgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for statement in UP:
        op.execute(statement)
    op.execute("update private.schema_level set level = 4")


def downgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for statement in DOWN:
        op.execute(statement)
    op.execute("update private.schema_level set level = 3")
