"""What the vault's routes need: the right to change a role, an honest audit log, and indexes for its lists."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

UP = (
    """
    grant update (role) on public.profiles to lingualink_api
    """,
    """
    create policy service_is_no_operator on private.audit_log as restrictive
      for insert to lingualink_api with check (operator is null)
    """,
)
DOWN = (
    """
    drop policy service_is_no_operator on private.audit_log
    """,
    """
    revoke update (role) on public.profiles from lingualink_api
    """,
)
# On tables that the app writes to while this runs. Names are found by a range of bytes (text_pattern_ops), whatever
# the database's collation.
INDEXES = {
    "posts_queue_language": "public.posts (validation_status, language, created_at, id)",
    "profiles_newest": "public.profiles (created_at, id)",
    "profiles_username": "public.profiles (lower(username) text_pattern_ops)",
    "profiles_full_name": "public.profiles (lower(full_name) text_pattern_ops)",
    "profiles_staff": "public.profiles (role) where role <> 'user'",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, columns in INDEXES.items():
            # An earlier attempt that was broken off leaves an index that is not valid.
            op.execute(f"drop index concurrently if exists public.{name}")
            op.execute(f"create index concurrently if not exists {name} on {columns}")
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for statement in UP:
        op.execute(statement)
    op.execute("update private.schema_level set level = 12")


def downgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for name in INDEXES:
        op.execute(f"drop index public.{name}")
    for statement in DOWN:
        op.execute(statement)
    op.execute("update private.schema_level set level = 11")
