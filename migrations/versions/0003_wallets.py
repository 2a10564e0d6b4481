"""Wallets and the ledger: rows that are only ever added, and constraints behind every rule of money."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Since 30 October 2026 Supabase grants nothing by itself; projects with older defaults did. Nothing is open here.
CLOSED = (
    "alter table {table} enable row level security",
    "revoke all on {table} from public, anon, authenticated",
)

UP = (
    """
    create table public.wallets (
      user_id uuid primary key,
      -- NaN is above every number in PostgreSQL, so the upper bound refuses it
      balance numeric(10, 2) not null default 0
        constraint wallets_balance_range check (balance between 0 and 99999999.99),
      version bigint not null default 0 constraint wallets_version_range check (version >= 0),
      updated_at timestamptz not null default now()
    ) with (fillfactor = 70)
    """,
    """
    create table public.wallet_transactions (
      id uuid primary key,
      user_id uuid not null,
      kind text not null,
      amount numeric(10, 2) not null
        constraint wallet_transactions_amount_range check (amount between -99999999.99 and 99999999.99 and amount <> 0),
      balance_after numeric(10, 2) not null
        constraint wallet_transactions_balance_range check (balance_after between 0 and 99999999.99),
      version bigint not null constraint wallet_transactions_version_positive check (version > 0),
      counterparty_id uuid,
      reference_id uuid,
      note text,
      created_at timestamptz not null,
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
    *(
        step.format(table=table)
        for table in (
            "public.wallets",
            "public.wallet_transactions",
        )
        for step in CLOSED
    ),
    """
    -- a wallet is opened empty
    grant select, insert (user_id), update (balance, version, updated_at) on public.wallets to lingualink_api
    """,
    """
    grant select, insert on public.wallet_transactions to lingualink_api
    """,
)
DOWN = (
    """
    drop table public.wallet_transactions
    """,
    """
    drop table public.wallets
    """,
)


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
