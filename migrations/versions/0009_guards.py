"""Triggers behind the policies: what a client may never change, whichever function or view it comes through."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Whoever reaches a definer function through PostgREST is another current_user, but the request's JWT role stays.
CLIENT = """(
    current_user in ('anon', 'authenticated')
    or coalesce(
      nullif(current_setting('request.jwt.claim.role', true), ''),
      nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role',
      ''
    ) in ('anon', 'authenticated')
  )"""
FUNCTIONS = ("refuse_clients", "guard_profile", "guard_post", "refuse_banned_author", "keep_history")

EACH_ROW = "for each row"
EACH_STATEMENT = "for each statement"
# A trigger is named after its function; what stands behind two underscores tells two of one table apart.
TRIGGERS = (
    ("guard_profile", f"before insert or update or delete on public.profiles {EACH_ROW}"),
    ("guard_post", f"before insert or update or delete on public.posts {EACH_ROW}"),
    ("refuse_banned_author", f"before insert or update on public.posts {EACH_ROW}"),
    ("refuse_clients", f"before truncate on public.profiles {EACH_STATEMENT}"),
    ("refuse_clients", f"before truncate on public.posts {EACH_STATEMENT}"),
    ("refuse_clients", f"before insert or update or delete or truncate on public.wallets {EACH_STATEMENT}"),
    (
        "refuse_clients",
        f"before insert or update or delete or truncate on public.wallet_transactions {EACH_STATEMENT}",
    ),
    *(
        history
        for table in ("public.wallet_transactions", "private.audit_log")
        for history in (
            ("keep_history", f"before update or delete on {table} {EACH_ROW}"),
            ("keep_history__all", f"before truncate on {table} {EACH_STATEMENT}"),
        )
    ),
)

UP = (
    f"""
    create function private.refuse_clients() returns trigger language plpgsql set search_path = '' as $$
    begin
      if {CLIENT} then
        raise insufficient_privilege using message = format('%I is written by the backend only', tg_table_name);
      end if;
      return null;
    end
    $$
    """,
    f"""
    create function private.guard_profile() returns trigger language plpgsql set search_path = '' as $$
    begin
      if {CLIENT} and (
        tg_op <> 'UPDATE' or (new.id, new.role, new.created_at) is distinct from (old.id, old.role, old.created_at)
      ) then
        raise insufficient_privilege using message = 'a profile is made by the backend, and so is its role';
      end if;
      if tg_op = 'DELETE' then
        return old;
      end if;
      new.updated_at := now();
      return new;
    end
    $$
    """,
    f"""
    create function private.guard_post() returns trigger language plpgsql set search_path = '' as $$
    begin
      if {CLIENT} then
        if tg_op = 'DELETE' then
          if old.validation_status <> 'pending' or old.author_id is distinct from auth.uid() then
            raise insufficient_privilege using message = 'only pending posts of one''s own can be deleted';
          end if;
          return old;
        end if;
        if new.author_id is distinct from auth.uid() or new.validation_status <> 'pending'
           or num_nonnulls(new.validated_by, new.validated_at, new.validation_reason) > 0 then
          raise insufficient_privilege using message = 'a post is one''s own, and pending until validated';
        end if;
        if tg_op = 'INSERT' then
          new.created_at := now();  -- the queue is ordered by it
        elsif (old.id, old.author_id, old.created_at, old.validation_status)
              is distinct from (new.id, new.author_id, new.created_at, new.validation_status) then
          raise insufficient_privilege using message = 'only pending posts of one''s own can be edited';
        end if;
      end if;
      if tg_op = 'DELETE' then
        return old;
      end if;
      new.version := case when tg_op = 'INSERT' then 1 else old.version + 1 end;
      return new;
    end
    $$
    """,
    """
    -- Definer rights, because clients can't read bans; it looks at the row's author, never at who is asking.
    create function private.refuse_banned_author() returns trigger
    language plpgsql security definer set search_path = '' as $$
    begin
      if (tg_op = 'INSERT' or new.validation_status = 'pending' and old.validation_status = 'pending')
         and exists (select from private.bans b where b.user_id = new.author_id) then
        raise insufficient_privilege using message = 'a banned user can''t post';
      end if;
      return new;
    end
    $$
    """,
    """
    -- Rows of the ledger and of the audit log stay as they are, for everybody. Personal notes can be blanked.
    create function private.keep_history() returns trigger language plpgsql set search_path = '' as $$
    begin
      if tg_op = 'UPDATE' and tg_table_name = 'wallet_transactions' then
        if (to_jsonb(new) - 'note') = (to_jsonb(old) - 'note') and to_jsonb(new) ->> 'note' is null then
          return new;
        end if;
      end if;
      raise insufficient_privilege using message = format('rows of %I are never changed or deleted', tg_table_name);
    end
    $$
    """,
    *(f"revoke all on function private.{function}() from public" for function in FUNCTIONS),
    *(
        f"create trigger {trigger} {when} execute function private.{trigger.split('__')[0]}()"
        for trigger, when in TRIGGERS
    ),
)
DOWN = (
    *(f"drop trigger {trigger} on {when.split(' on ')[1].split()[0]}" for trigger, when in TRIGGERS),
    *(f"drop function private.{function}()" for function in FUNCTIONS),
)


def upgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for statement in UP:
        op.execute(statement)
    op.execute("update private.schema_level set level = 9")


def downgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for statement in DOWN:
        op.execute(statement)
    op.execute("update private.schema_level set level = 8")
