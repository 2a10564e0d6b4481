"""What the Supabase SDK sees, under row level security: the app's profiles and posts, wallets and their ledger."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLES = ("profiles", "posts", "wallets", "wallet_transactions", "wallet_withdrawals")

# Since 30 October 2026 Supabase grants nothing by itself; projects with older defaults did. Nothing is open here.
CLOSED = (
    "alter table public.{table} enable row level security",
    "revoke all on public.{table} from public, anon, authenticated",
)

PROFILES = (
    """
    create table public.profiles (
      id uuid primary key,
      username text,
      full_name text,
      avatar_url text,
      role text not null default 'user' constraint profiles_role_known check (role in ('user', 'moderator', 'admin')),
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now()
    )
    """,
    # Names are found by a range of bytes (text_pattern_ops), whatever the database's collation. On the tables that the
    # app shares our indexes bear our name: one that the app makes, today or later, is never taken for ours.
    "create index lingualink_profiles_newest on public.profiles (created_at, (id::uuid))",
    "create index lingualink_profiles_username on public.profiles (lower(username) text_pattern_ops)",
    "create index lingualink_profiles_full_name on public.profiles (lower(full_name) text_pattern_ops)",
    "create index lingualink_profiles_staff on public.profiles (role) where role <> 'user'",
    *(step.format(table="profiles") for step in CLOSED),
)

UP = (
    # What an adoption took over has these columns and indexes already, and keeps what it lets clients do.
    f"""
    do $do$ begin
    if not exists (select from private.adoption where 'public.profiles' = any (tables)) then
    {";".join(PROFILES)};
    end if;
    end $do$
    """,
    """
    create table public.posts (
      id uuid primary key default gen_random_uuid(),
      author_id uuid not null,
      kind text not null constraint posts_kind_known check (kind in ('voice', 'video', 'text')),
      title text not null constraint posts_title_length check (char_length(title) between 1 and 300),
      body text,
      language text not null constraint posts_language_length check (char_length(language) between 1 and 64),
      dialect text,
      media_url text,
      validation_status text not null default 'pending'
        constraint posts_status_known check (validation_status in ('pending', 'approved', 'rejected')),
      validated_by uuid,
      validated_at timestamptz,
      validation_reason text,
      version integer not null default 1 constraint posts_version_positive check (version > 0),
      created_at timestamptz not null default now()
    )
    """,
    "create index lingualink_posts_order on public.posts (created_at, id)",
    "create index lingualink_posts_language on public.posts (language, created_at, id)",
    "create index lingualink_posts_queue on public.posts (validation_status, created_at, id)",
    "create index lingualink_posts_queue_language on public.posts (validation_status, language, created_at, id)",
    "create index lingualink_posts_kind on public.posts (kind, created_at, id)",
    "create index lingualink_posts_queue_kind on public.posts (validation_status, kind, created_at, id)",
    "create index lingualink_posts_author on public.posts (author_id, created_at)",
    """
    create table public.wallets (
      user_id uuid primary key,
      -- NaN is above every number in PostgreSQL, so the upper bound refuses it
      balance numeric(12, 4) not null default 0
        constraint wallets_balance_range check (balance between 0 and 99999999.9999),
      version bigint not null default 0 constraint wallets_version_range check (version >= 0),
      updated_at timestamptz not null default now(),
      -- the newest row's, so that whoever locks the wallet knows what the next row follows
      hash bytea constraint wallets_hash_length check (octet_length(hash) = 32),
      -- nothing leaves it by its owner's hand
      frozen boolean not null default false,
      constraint wallets_hash_there check ((version = 0) = (hash is null))
    ) with (fillfactor = 70)
    """,
    """
    create table public.wallet_transactions (
      id uuid primary key,
      user_id uuid not null,
      kind text not null,
      amount numeric(12, 4) not null
        constraint wallet_transactions_amount_range check (abs(amount) <= 99999999.9999 and amount <> 0),
      balance_after numeric(12, 4) not null
        constraint wallet_transactions_balance_range check (balance_after between 0 and 99999999.9999),
      version bigint not null constraint wallet_transactions_version_positive check (version > 0),
      counterparty_id uuid,
      reference_id uuid,
      note text,
      created_at timestamptz not null,
      hash bytea not null constraint wallet_transactions_hash_length check (octet_length(hash) = 32),
      constraint wallet_transactions_version_once unique (user_id, version),
      constraint wallet_transactions_kind_shape check (
        case kind
          when 'earning' then amount > 0 and reference_id is not null and counterparty_id is null
          when 'bonus' then amount > 0 and reference_id is null and counterparty_id is null
          when 'refund' then amount > 0 and reference_id is null and counterparty_id is null
          when 'opening' then amount > 0 and reference_id is null and counterparty_id is null
          when 'penalty' then amount < 0 and reference_id is null and counterparty_id is null
          when 'transfer_out' then amount < 0 and reference_id is not null and counterparty_id <> user_id
          when 'transfer_in' then amount > 0 and reference_id is not null and counterparty_id <> user_id
          when 'withdrawal' then amount < 0 and reference_id is not null and counterparty_id is null
          when 'reversal' then reference_id is not null and counterparty_id is null
          else false
        end is true
      )
    )
    """,
    """
    -- a post earns once in its life, a transfer has one row a side, a transaction is corrected once
    create unique index wallet_transactions_reference_once on public.wallet_transactions (reference_id, kind)
      where reference_id is not null
    """,
    # Rows come in the order of their times, near enough for a few pages to tell a day.
    "create index wallet_transactions_time on public.wallet_transactions using brin (created_at)",
    """
    create table public.wallet_withdrawals (
      id uuid primary key,
      user_id uuid not null,
      -- NaN is above every number in PostgreSQL, so the upper bound refuses it
      amount numeric(12, 4) not null
        constraint wallet_withdrawals_amount_range check (amount > 0 and amount <= 99999999.9999),
      status text not null default 'held'
        constraint wallet_withdrawals_status_known check (status in ('held', 'completed', 'failed')),
      transaction_id uuid not null constraint wallet_withdrawals_transaction_once unique,
      settled_by uuid,
      settled_at timestamptz,
      reason text,
      created_at timestamptz not null,
      constraint wallet_withdrawals_settled_whole check (
        case status
          when 'held' then num_nonnulls(settled_by, settled_at, reason) = 0
          else num_nonnulls(settled_by, settled_at) = 2
        end
      )
    )
    """,
    "create index wallet_withdrawals_own on public.wallet_withdrawals (user_id, created_at, id)",
    "create index wallet_withdrawals_order on public.wallet_withdrawals (created_at, id)",
    "create index wallet_withdrawals_queue on public.wallet_withdrawals (status, created_at, id)",
    *(step.format(table=table) for table in TABLES[1:] for step in CLOSED),
)
DOWN = (
    """
    do $do$ begin
    if exists (select from private.adoption) then
      raise exception 'these tables are older than the migrations, which do not drop them';
    end if;
    end $do$
    """,
    *(f"drop table public.{table}" for table in reversed(TABLES)),
)


def upgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for statement in UP:
        op.execute(statement)
    op.execute("update private.schema_level set level = 2")


def downgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for statement in DOWN:
        op.execute(statement)
    op.execute("update private.schema_level set level = 1")
