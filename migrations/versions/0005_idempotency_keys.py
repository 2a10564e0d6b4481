"""Idempotency keys, each with the answer that it stands for."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Since 30 October 2026 Supabase grants nothing by itself; projects with older defaults did. Nothing is open here.
CLOSED = (
    "alter table {table} enable row level security",
    "revoke all on {table} from public, anon, authenticated",
)

UP = (
    """
    create table private.idempotency_keys (
      user_id uuid not null,
      key text not null constraint idempotency_keys_key_length check (char_length(key) between 1 and 255),
      fingerprint bytea not null,
      result jsonb,
      refusal text,
      created_at timestamptz not null default now(),
      primary key (user_id, key),
      constraint idempotency_keys_one_answer check (result is null or refusal is null)
    ) with (fillfactor = 80)
    """,
    """
    -- the order in which old keys are forgotten
    create index idempotency_keys_age on private.idempotency_keys (created_at)
    """,
    *(step.format(table=table) for table in ("private.idempotency_keys",) for step in CLOSED),
    """
    grant select, insert, update (result, refusal), delete on private.idempotency_keys to lingualink_api
    """,
)
DOWN = (
    """
    drop table private.idempotency_keys
    """,
)


def upgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for statement in UP:
        op.execute(statement)
    op.execute("update private.schema_level set level = 5")


def downgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for statement in DOWN:
        op.execute(statement)
    op.execute("update private.schema_level set level = 4")
