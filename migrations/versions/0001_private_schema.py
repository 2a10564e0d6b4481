"""The private schema, its level, what an adoption did, and the role that the service logs in as."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UP = (
    """
    create table private.schema_level (
      only_row boolean primary key default true check (only_row),
      level integer not null
    )
    """,
    """
    insert into private.schema_level (level) values (0)
    """,
    """
    alter table private.schema_level enable row level security
    """,
    """
    revoke all on schema private from public
    """,
    """
    -- Of a database that had the app's tables first (lingualink adopt): one row, and no row anywhere else. The names in
    -- tables are those that these migrations find made.
    create table private.adoption (
      only_row boolean primary key default true check (only_row),
      tables text[] not null,
      posts_source text not null constraint adoption_posts_source_known check (posts_source in ('posts', 'clips')),
      confirmed_by text not null,
      begun_at timestamptz not null default now(),
      adopted_at timestamptz,
      legacy_retired_at timestamptz,
      constraint adoption_retired_last check (legacy_retired_at is null or adopted_at is not null)
    )
    """,
    """
    -- What is done of it, so that it can be killed at any moment and started again.
    create table private.adoption_steps (
      name text primary key,
      finished_at timestamptz not null default clock_timestamp(),
      details jsonb not null default '{}'
    )
    """,
    *(
        statement.format(table=table)
        for table in ("adoption", "adoption_steps")
        for statement in (
            "alter table private.{table} enable row level security",
            "revoke all on private.{table} from public, anon, authenticated",
        )
    ),
    """
    -- Alembic made it just before.
    alter table private.alembic_version enable row level security
    """,
    """
    revoke all on private.alembic_version from public, anon, authenticated
    """,
    """
    -- A role belongs to the whole cluster: another database of it may have made the role already, even just now.
    do $$
    begin
      if not exists (select from pg_roles where rolname = 'lingualink_api') then
        begin
          create role lingualink_api login noinherit;
        exception when duplicate_object or unique_violation then
          null;
        end;
      end if;
    end
    $$
    """,
    """
    -- On the role, because poolers refuse them as start-up parameters. Two seconds is how long a retry waits for
    -- the first request with its key, and a payment for a wallet.
    do $$
    declare
      setting text;
    begin
      foreach setting in array array[
        'lock_timeout=2s', 'statement_timeout=5s', 'idle_in_transaction_session_timeout=10s'
      ]
      loop
        if not exists (
          select from pg_db_role_setting s join pg_roles r on r.oid = s.setrole
          where r.rolname = 'lingualink_api' and s.setdatabase = 0 and setting = any (s.setconfig)
        ) then
          execute format(
            'alter role lingualink_api set %s = %L', split_part(setting, '=', 1), split_part(setting, '=', 2)
          );
        end if;
      end loop;
    end
    $$
    """,
    """
    grant usage on schema private to lingualink_api
    """,
    """
    grant usage on schema public to lingualink_api
    """,
    """
    grant select on private.schema_level to lingualink_api
    """,
    """
    grant select on private.adoption to lingualink_api
    """,
)
DOWN = (
    """
    drop table private.adoption_steps
    """,
    """
    drop table private.adoption
    """,
    """
    drop table private.schema_level
    """,
)


def upgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for statement in UP:
        op.execute(statement)
    op.execute("update private.schema_level set level = 1")


def downgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for statement in DOWN:
        op.execute(statement)
