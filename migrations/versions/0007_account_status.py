"""The one question that the service may ask of Supabase Auth's tables."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UP = (
    """
    -- Without a session it answers for the user alone. Definer rights, because the service has none on schema auth.
    create function private.account_status(user_id uuid, session_id uuid) returns text
    language sql stable security definer set search_path = '' as $$
      select case
        when u.id is null or u.deleted_at is not null then 'deleted'
        when account_status.session_id is not null and (s.id is null or s.not_after <= now()) then 'revoked'
        when u.banned_until > now() then 'banned'
        else 'active'
      end
      from (select) one
      left join auth.users u on u.id = account_status.user_id
      left join auth.sessions s on s.id = account_status.session_id and s.user_id = account_status.user_id
    $$
    """,
    """
    revoke all on function private.account_status(uuid, uuid) from public
    """,
    """
    grant execute on function private.account_status(uuid, uuid) to lingualink_api
    """,
)
DOWN = (
    """
    drop function private.account_status(uuid, uuid)
    """,
)


def upgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for statement in UP:
        op.execute(statement)
    op.execute("update private.schema_level set level = 7")


def downgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for statement in DOWN:
        op.execute(statement)
    op.execute("update private.schema_level set level = 6")
