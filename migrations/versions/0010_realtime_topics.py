"""Private topics: only the user's own session receives on user:<id>, only the backend sends."""

from alembic import op

revision = "0010"
down_revision = "0009"
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
DOWN = (
    """
    drop policy lingualink_receive_own on realtime.messages
    """,
    """
    drop policy lingualink_only_receive_own on realtime.messages
    """,
    """
    drop policy lingualink_only_backend_sends on realtime.messages
    """,
    """
    drop policy lingualink_only_backend_edits on realtime.messages
    """,
    """
    drop policy lingualink_only_backend_deletes on realtime.messages
    """,
)


def upgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for statement in UP:
        op.execute(statement)
    op.execute("update private.schema_level set level = 10")


def downgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for statement in DOWN:
        op.execute(statement)
    op.execute("update private.schema_level set level = 9")
