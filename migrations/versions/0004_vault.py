"""What moderators and admins work with: bans, reward rates, and the record of what they did."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Since 30 October 2026 Supabase grants nothing by itself; projects with older defaults did. Nothing is open here.
CLOSED = (
    "alter table {table} enable row level security",
    "revoke all on {table} from public, anon, authenticated",
)

UP = (
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
      amount numeric(10, 2) not null constraint reward_rates_amount_range check (amount between 0 and 99999999.99),
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
    """
    create index audit_log_order on private.audit_log (occurred_at, id)
    """,
    *(
        f"create index audit_log_{column} on private.audit_log ({column}, occurred_at, id)"
        for column in ("actor_id", "target_id", "action")
    ),
    *(
        step.format(table=table)
        for table in (
            "private.bans",
            "private.reward_rates",
            "private.audit_log",
        )
        for step in CLOSED
    ),
    """
    grant select, insert, update (reason, banned_by, banned_at), delete on private.bans to lingualink_api
    """,
    """
    grant select, insert, update (amount, updated_at) on private.reward_rates to lingualink_api
    """,
    """
    grant select, insert on private.audit_log to lingualink_api
    """,
)
DOWN = (
    """
    drop table private.audit_log
    """,
    """
    drop table private.reward_rates
    """,
    """
    drop table private.bans
    """,
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
