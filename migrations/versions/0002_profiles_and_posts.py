"""What the app and the backend share: profiles, which hold the role, and posts."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Since 30 October 2026 Supabase grants nothing by itself; projects with older defaults did. Nothing is open here.
CLOSED = (
    "alter table {table} enable row level security",
    "revoke all on {table} from public, anon, authenticated",
)

UP = (
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
    """
    create index posts_queue on public.posts (validation_status, created_at, id)
    """,
    """
    create index posts_author on public.posts (author_id, created_at)
    """,
    *(
        step.format(table=table)
        for table in (
            "public.profiles",
            "public.posts",
        )
        for step in CLOSED
    ),
    """
    grant select, insert (id, username, full_name, avatar_url) on public.profiles to lingualink_api
    """,
    """
    grant select, update (validation_status, validated_by, validated_at, validation_reason)
      on public.posts to lingualink_api
    """,
)
DOWN = (
    """
    drop table public.posts
    """,
    """
    drop table public.profiles
    """,
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
