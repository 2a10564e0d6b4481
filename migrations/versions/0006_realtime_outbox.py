"""The events that are owed to the app, and the lease of the one relay that delivers them."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Since 30 October 2026 Supabase grants nothing by itself; projects with older defaults did. Nothing is open here.
CLOSED = (
    "alter table {table} enable row level security",
    "revoke all on {table} from public, anon, authenticated",
)

UP = (
    """
    create table private.realtime_outbox (
      id bigint generated always as identity primary key,
      event_id uuid not null constraint realtime_outbox_event_once unique,
      topic text not null,
      event text not null,
      payload jsonb not null constraint realtime_outbox_payload_object check (jsonb_typeof(payload) = 'object'),
      created_at timestamptz not null default clock_timestamp(),
      attempts integer not null default 0,
      last_error text,
      delivered_at timestamptz,
      parked_at timestamptz
    ) with (fillfactor = 80)
    """,
    """
    create index realtime_outbox_due on private.realtime_outbox (id) where delivered_at is null and parked_at is null
    """,
    """
    create index realtime_outbox_parked on private.realtime_outbox (id) where parked_at is not null
    """,
    """
    create index realtime_outbox_delivered on private.realtime_outbox (delivered_at) where delivered_at is not null
    """,
    """
    create table private.relay_lease (
      only_row boolean primary key default true check (only_row),
      holder uuid,
      expires_at timestamptz not null default '-infinity'
    )
    """,
    """
    insert into private.relay_lease default values
    """,
    *(
        step.format(table=table)
        for table in (
            "private.realtime_outbox",
            "private.relay_lease",
        )
        for step in CLOSED
    ),
    """
    grant select, insert, update (attempts, last_error, delivered_at, parked_at), delete
      on private.realtime_outbox to lingualink_api
    """,
    """
    grant select, update (holder, expires_at) on private.relay_lease to lingualink_api
    """,
)
DOWN = (
    """
    drop table private.relay_lease
    """,
    """
    drop table private.realtime_outbox
    """,
)


def upgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for statement in UP:
        op.execute(statement)
    op.execute("update private.schema_level set level = 6")


def downgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for statement in DOWN:
        op.execute(statement)
    op.execute("update private.schema_level set level = 5")
