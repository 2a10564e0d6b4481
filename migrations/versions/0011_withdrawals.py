"""Withdrawals: money on its way out, settled once."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

ME = "(select auth.uid())"
ONLY = {
    "select": f"using (user_id = {ME})",
    "insert": "with check (false)",
    "update": "using (false)",
    "delete": "using (false)",
}

# As in 0009: the user, the role that was set, or the request's JWT role is a client's.
CLIENT = """(
    current_user in ('anon', 'authenticated')
    or current_setting('role', true) in ('anon', 'authenticated')
    or coalesce(nullif(current_setting('request.jwt.claim.role', true), ''), 'service_role') <> 'service_role'
    or coalesce(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role', 'service_role')
       <> 'service_role'
  )"""

UP = (
    """
    create table public.wallet_withdrawals (
      id uuid primary key,
      user_id uuid not null,
      -- NaN is above every number in PostgreSQL, so the upper bound refuses it
      amount numeric(10, 2) not null
        constraint wallet_withdrawals_amount_range check (amount > 0 and amount <= 99999999.99),
      status text not null default 'held'
        constraint wallet_withdrawals_status_known check (status in ('held', 'completed', 'failed')),
      transaction_id uuid not null constraint wallet_withdrawals_transaction_once unique,
      settled_by uuid,
      settled_at timestamptz,
      reason text,
      created_at timestamptz not null,
      constraint wallet_withdrawals_settled_whole check (
        case status
          when 'held' then num_nonnulls(settled_by, settled_at, reason) = 0
          else num_nonnulls(settled_by, settled_at) = 2
        end
      )
    )
    """,
    """
    create index wallet_withdrawals_own on public.wallet_withdrawals (user_id, created_at, id)
    """,
    """
    create index wallet_withdrawals_queue on public.wallet_withdrawals (status, created_at, id)
    """,
    "alter table public.wallet_withdrawals enable row level security",
    "revoke all on public.wallet_withdrawals from public, anon, authenticated",
    "grant select on public.wallet_withdrawals to authenticated",
    """
    grant select, insert, update (status, settled_by, settled_at, reason)
      on public.wallet_withdrawals to lingualink_api
    """,
    f"""
    create policy owner_reads_withdrawals on public.wallet_withdrawals for select to authenticated
      using (user_id = {ME})
    """,
    *(
        f"create policy only_{command} on public.wallet_withdrawals as restrictive for {command} "
        f"to anon, authenticated {rule}"
        for command, rule in ONLY.items()
    ),
    """
    create policy service on public.wallet_withdrawals to lingualink_api using (true) with check (true)
    """,
    f"""
    create trigger zz_refuse_clients
      before insert or update or delete or truncate on public.wallet_withdrawals
      for each statement when {CLIENT} execute function private.refuse_clients()
    """,
    """
    -- A withdrawal is settled once, and nothing else of it ever changes. A personal reason can be blanked.
    create function private.keep_withdrawal() returns trigger language plpgsql set search_path = '' as $$
    begin
      if tg_op = 'UPDATE' then
        if new.reason is null and (to_jsonb(new) - 'reason') = (to_jsonb(old) - 'reason') then
          return new;
        end if;
        if old.status = 'held' and new.status <> 'held'
           and (new.id, new.user_id, new.amount, new.transaction_id, new.created_at)
             = (old.id, old.user_id, old.amount, old.transaction_id, old.created_at) then
          return new;
        end if;
      end if;
      raise insufficient_privilege using message = 'a withdrawal is settled once, and never deleted';
    end
    $$
    """,
    "revoke all on function private.keep_withdrawal() from public",
    """
    create trigger zz_keep_withdrawal before update or delete on public.wallet_withdrawals
      for each row execute function private.keep_withdrawal()
    """,
    """
    create trigger zz_keep_withdrawal__all before truncate on public.wallet_withdrawals
      for each statement execute function private.keep_withdrawal()
    """,
    *(
        f"alter table public.wallet_withdrawals enable always trigger {trigger}"
        for trigger in ("zz_refuse_clients", "zz_keep_withdrawal", "zz_keep_withdrawal__all")
    ),
)
DOWN = (
    "drop table public.wallet_withdrawals",
    "drop function private.keep_withdrawal()",
)


def upgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for statement in UP:
        op.execute(statement)
    op.execute("update private.schema_level set level = 11")


def downgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    for statement in DOWN:
        op.execute(statement)
    op.execute("update private.schema_level set level = 10")
