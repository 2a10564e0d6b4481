"""Private topics: only the user's own session receives on user:<id>, only the backend sends."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UP = (
    """
    create policy lingualink_receive_own on realtime.messages for select to authenticated
      using (
        extension = 'broadcast'
        and topic = 'user:' || (select auth.uid())::text
        and topic = (select realtime.topic())
      )
    """,
    """
    create policy lingualink_only_receive_own on realtime.messages as restrictive for select to anon, authenticated
      using (
        topic not like 'user:%'
        or (extension = 'broadcast' and topic = 'user:' || (select auth.uid())::text)
      )
    """,
    """
    create policy lingualink_only_backend_sends on realtime.messages as restrictive for insert to anon, authenticated
      with check (topic not like 'user:%')
    """,
    """
    create policy lingualink_only_backend_edits on realtime.messages as restrictive for update to anon, authenticated
      using (topic not like 'user:%')
    """,
    """
    create policy lingualink_only_backend_deletes on realtime.messages as restrictive for delete to anon, authenticated
      using (topic not like 'user:%')
    """,
)
DOWN = tuple(
    f"drop policy lingualink_{policy} on realtime.messages"
    for policy in (
        *("receive_own", "only_receive_own"),
        *("only_backend_sends", "only_backend_edits", "only_backend_deletes"),
    )
)


# In one round trip, for the reason that 0006 gives.
AT_ONCE = "do $do$ begin\n{};\nend $do$"


def upgrade() -> None:
    op.execute("set local lock_timeout = '400ms'")
    op.execute("set local statement_timeout = '10s'")
    op.execute(AT_ONCE.format(";\n".join(UP)))
    op.execute("update private.schema_level set level = 7")


def downgrade() -> None:
    op.execute("set local lock_timeout = '400ms'")
    op.execute("set local statement_timeout = '10s'")
    op.execute(AT_ONCE.format(";\n".join(DOWN)))
    op.execute("update private.schema_level set level = 6")
