"""What no client reaches: the vault's records, idempotency keys, and the events that are owed to the app."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TABLES = (
    *("ledger_entries", "ledger_days", "ledger_seals", "ledger_epoch", "approvals"),
    *("bans", "reward_rates", "audit_log", "idempotency_keys", "realtime_outbox", "relay_lease"),
    *("legacy_tokens", "adopted_roles", "openings", "adopted_earnings"),
)

# Since 30 October 2026 Supabase grants nothing by itself; projects with older defaults did. Nothing is open here.
CLOSED = (
    "alter table private.{table} enable row level security",
    "revoke all on private.{table} from public, anon, authenticated",
)

UP = (
    """
    -- The other side of every wallet row that is no transfer: the reference is that row's id, the amount its opposite.
    -- A completed withdrawal moves between two accounts: the reference is the withdrawal's id, the amounts sum to zero.
    create table private.ledger_entries (
      reference_id uuid not null,
      account text not null constraint ledger_entries_account_known check (
        account in ('rewards', 'adjustments', 'payouts_pending', 'payouts_paid', 'opening')
      ),
      amount numeric(12, 4) not null
        constraint ledger_entries_amount_range check (abs(amount) <= 99999999.9999 and amount <> 0),
      created_at timestamptz not null,
      primary key (reference_id, account)
    )
    """,
    "create index ledger_entries_time on private.ledger_entries using brin (created_at)",
    """
    -- What moved on each account in a day that is over (UTC), so that totals need not be summed from the first row;
    -- all wallets together are one account here.
    create table private.ledger_days (
      day date not null,
      account text not null,
      amount numeric(20, 4) not null,
      primary key (day, account)
    )
    """,
    """
    -- A seal is over the newest row of each wallet that moved since the seal before, until a time that lies behind
    -- every transaction under way. heads: for each, in the order of the ids, user id, version (8 bytes) and hash.
    create table private.ledger_seals (
      id bigint generated always as identity primary key,
      sealed_until timestamptz not null constraint ledger_seals_until_once unique,
      heads bytea not null constraint ledger_seals_heads_whole check (octet_length(heads) % 56 = 0),
      digest bytea not null constraint ledger_seals_digest_length check (octet_length(digest) = 32),
      created_at timestamptz not null default now()
    )
    """,
    "alter table private.ledger_seals alter column heads set storage external",
    """
    -- Raised after a restore to an earlier time, so that a lower version can be newer than a higher one.
    create table private.ledger_epoch (
      only_row boolean primary key default true check (only_row),
      epoch bigint not null constraint ledger_epoch_positive check (epoch > 0)
    )
    """,
    "insert into private.ledger_epoch (epoch) values (1)",
    """
    -- What waits for a second admin. The request is kept as it was asked for, and done when it is approved.
    create table private.approvals (
      id uuid primary key,
      action text not null constraint approvals_action_known check (
        action in ('vault.adjust_balance', 'vault.settle_withdrawal')
      ),
      target_id uuid not null,
      request jsonb not null constraint approvals_request_object check (jsonb_typeof(request) = 'object'),
      requested_by uuid not null,
      created_at timestamptz not null,
      expires_at timestamptz not null,
      status text not null default 'waiting'
        constraint approvals_status_known check (status in ('waiting', 'approved', 'rejected', 'expired')),
      decided_by uuid,
      decided_at timestamptz,
      constraint approvals_decided_whole check (
        num_nonnulls(decided_by, decided_at) = case when status in ('approved', 'rejected') then 2 else 0 end
      ),
      constraint approvals_by_another check (decided_by <> requested_by)
    )
    """,
    "create index approvals_queue on private.approvals (status, created_at, id)",
    """
    create unique index approvals_settlement_once on private.approvals (target_id)
      where action = 'vault.settle_withdrawal' and status = 'waiting'
    """,
    """
    create table private.bans (
      user_id uuid primary key,
      reason text not null,
      banned_by uuid not null,
      banned_at timestamptz not null default now()
    )
    """,
    """
    create table private.reward_rates (
      action text primary key constraint reward_rates_action_known check (action in ('post_approved')),
      amount numeric(12, 4) not null constraint reward_rates_amount_range check (amount between 0 and 99999999.9999),
      updated_at timestamptz not null default now()
    )
    """,
    """
    -- The actor is a signed-in user, or an operator: the database role whose credentials were used.
    create table private.audit_log (
      id uuid primary key,
      actor_id uuid,
      session_id uuid,
      operator text,
      action text not null,
      refusal text,
      target_id uuid,
      before jsonb not null,
      after jsonb not null,
      reason text,
      request_id text not null,
      client_address text,
      occurred_at timestamptz not null,
      constraint audit_log_one_actor check (
        num_nonnulls(actor_id, operator) = 1 and (actor_id is null) = (session_id is null)
      )
    )
    """,
    "create index audit_log_order on private.audit_log (occurred_at, id)",
    *(
        f"create index audit_log_{column} on private.audit_log ({column}, occurred_at, id)"
        for column in ("actor_id", "target_id", "action")
    ),
    """
    create table private.idempotency_keys (
      user_id uuid not null,
      key text not null constraint idempotency_keys_key_length check (char_length(key) between 1 and 255),
      fingerprint bytea not null,
      status bigint,
      body text,
      created_at timestamptz not null default now(),
      primary key (user_id, key),
      constraint idempotency_keys_whole_answer check ((status is null) = (body is null))
    ) with (fillfactor = 80)
    """,
    """
    -- A user may have hundreds of thousands: who looks for one does so by its name, not among all of the user's.
    alter table private.idempotency_keys alter column user_id set (n_distinct = 100)
    """,
    """
    -- the order in which old keys are forgotten
    create index idempotency_keys_age on private.idempotency_keys (created_at)
    """,
    """
    -- how many one user made of late
    create index idempotency_keys_own on private.idempotency_keys (user_id, created_at)
    """,
    """
    -- what stands for a 404 is forgotten sooner
    create index idempotency_keys_not_found on private.idempotency_keys (created_at) where status = 404
    """,
    """
    create table private.realtime_outbox (
      id bigint generated always as identity primary key,
      event_id uuid not null constraint realtime_outbox_event_once unique,
      topic text not null constraint realtime_outbox_topic_known check (
        topic ~ '^user:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
      ),
      event text not null,
      payload jsonb not null constraint realtime_outbox_payload_object check (jsonb_typeof(payload) = 'object'),
      created_at timestamptz not null default clock_timestamp(),
      attempts integer not null default 0,
      last_error text,
      delivered_at timestamptz,
      -- set aside: Realtime refuses it again and again while it takes others; an operator may retry it, or drop it
      dead_lettered_at timestamptz,
      dropped_at timestamptz constraint realtime_outbox_dropped_is_dead check (
        dropped_at is null or (dead_lettered_at is not null and delivered_at is null)
      )
    ) with (
      fillfactor = 80,
      -- Every delivery leaves a dead entry at the front of the index that the relay reads from. By default a fifth of
      -- the table may die first, which is more than a day of deliveries.
      autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
      autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 20000
    )
    """,
    """
    create index realtime_outbox_pending on private.realtime_outbox (id)
      where delivered_at is null and dead_lettered_at is null
    """,
    """
    create index realtime_outbox_dead_letters on private.realtime_outbox (id) where dead_lettered_at is not null
    """,
    """
    create index realtime_outbox_delivered on private.realtime_outbox (delivered_at) where delivered_at is not null
    """,
    """
    create table private.relay_lease (
      only_row boolean primary key default true check (only_row),
      -- the release, host and process that leads
      holder text constraint relay_lease_holder_length check (char_length(holder) <= 300),
      expires_at timestamptz not null default '-infinity'
    )
    """,
    """
    insert into private.relay_lease default values
    """,
    """
    -- While tokens under the project's legacy secret are good: when one last was, so that somebody can stop it.
    create table private.legacy_tokens (
      only_row boolean primary key default true check (only_row),
      last_accepted_at timestamptz not null default now()
    )
    """,
    """
    insert into private.legacy_tokens default values
    """,
    """
    -- What made somebody more than a user before an adoption; the marks are the app's own columns for it.
    create table private.adopted_roles (
      user_id uuid primary key,
      role text,
      marks jsonb not null constraint adopted_roles_marks_object check (jsonb_typeof(marks) = 'object'),
      taken_at timestamptz not null default clock_timestamp()
    )
    """,
    """
    -- What a wallet began with: the balance that its owner had before, as it was, and the transaction that brought it
    -- along. There is none where it was nothing, or nothing that a wallet can hold: such a wallet is frozen.
    create table private.openings (
      user_id uuid primary key,
      balance numeric,
      transaction_id uuid constraint openings_transaction_once unique,
      taken_at timestamptz not null default clock_timestamp()
    )
    """,
    """
    -- Posts that the app had approved or paid for before an adoption: nobody is paid for one of them again.
    create table private.adopted_earnings (
      post_id uuid primary key,
      taken_at timestamptz not null default clock_timestamp()
    )
    """,
    *(step.format(table=table) for table in TABLES for step in CLOSED),
    """
    -- All posts, whichever table is their home: a database that is taken over may keep them in tables of its app's. The
    -- service knows no other way to them; the view has its owner's rights, so that it needs none on those tables.
    create view private.posts as
    select id, author_id, kind, title, body, language, dialect, media_url, validation_status, validated_by,
           validated_at, validation_reason, version, created_at, tableoid as home
    from public.posts
    """,
    "revoke all on private.posts from public, anon, authenticated",
)
DOWN = ("drop view private.posts", *(f"drop table private.{table}" for table in reversed(TABLES)))


def upgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for statement in UP:
        op.execute(statement)
    op.execute("update private.schema_level set level = 3")


def downgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for statement in DOWN:
        op.execute(statement)
    op.execute("update private.schema_level set level = 2")
