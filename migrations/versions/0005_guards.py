"""Triggers behind the policies: what a client may never change, whichever function or view it comes through."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Inside a definer function current_user is the function's owner, but the role that was set stays, and so does the
# JWT role: whoever comes through PostgREST as anybody but service_role is a client.
CLIENT = """(
    current_user in ('anon', 'authenticated')
    or current_setting('role', true) in ('anon', 'authenticated')
    or coalesce(nullif(current_setting('request.jwt.claim.role', true), ''), 'service_role') <> 'service_role'
    or coalesce(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role', 'service_role')
       <> 'service_role'
  )"""
# As auth.uid() reads it; the service has no rights in schema auth.
ME = """coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
  )"""
# What a decision has to say, if it is the service's: whoever has its password writes nothing into the past.
DECIDED = """(
    new.validated_by is not null
    and new.validated_at between now() - interval '1 minute' and clock_timestamp() + interval '1 minute'
  )"""
FUNCTIONS = (
    *(
        "refuse_clients",
        "guard_profile",
        "guard_post",
        "guard_clip",
        "refuse_banned_author",
        "keep_post_once",
        "write_post",
        "guard_balance",
        "mirror_balance",
        "mirror_transaction",
        "keep_history",
        "keep_withdrawal",
        "keep_balanced",
        "keep_wallet",
        "keep_answer",
        "keep_delivery",
    ),
)

# Our columns of the app's tables that a client never changes. What is neither here nor open (CLIENT_COLUMNS in
# infrastructure/postgres/ownership.py) turns the tests red; a column of the app's own is the app's to write.
CLOSED = {
    "profiles": ("id", "role", "created_at"),
    "posts": (
        *("id", "author_id", "created_at"),
        *("validation_status", "validated_by", "validated_at", "validation_reason"),
    ),
}
# The same of LinguaLink's clips, and what a moderator judges. Which of them there are differs between databases.
CLIP_CLOSED = (
    *("id", "user_id", "created_at", "status", "validated_by", "validated_at", "validation_reason"),
    *("is_validated", "is_monetization_unlocked"),
)
CLIP_CONTENT = (
    *("title", "phrase", "translation", "language", "dialect", "audio_url", "video_url", "thumbnail_url"),
    *("duration", "clip_type", "original_clip_id", "parent_clip_id", "root_clip_id"),
)
CLIP_TEXT = ("title", "phrase", "translation", "audio_url", "video_url", "thumbnail_url")


def changed(table: str) -> str:
    """Whether one of our closed columns of *table* is not what it was."""
    new, old = (", ".join(f"{row}.{column}" for column in CLOSED[table]) for row in ("new", "old"))
    return f"({new}) is distinct from ({old})"


def listed(columns: tuple[str, ...]) -> str:
    """The names of *columns* as an array."""
    return f"array[{', '.join(repr(column) for column in columns)}]"


def differs(columns: tuple[str, ...]) -> str:
    """Whether one of those of *columns* that the table has is not what it was."""
    changed_one = "where was -> name is distinct from is_now -> name"
    return f"exists (select from unnest({listed(columns)}) c (name) {changed_one})"


EACH_ROW = "for each row"
EACH_STATEMENT = "for each statement"
BACKEND_ONLY = (
    *("public.wallets", "public.wallet_transactions", "public.wallet_withdrawals"),
    *("private.ledger_entries", "private.ledger_days", "private.ledger_seals", "private.ledger_epoch"),
    *(
        "private.approvals",
        "private.bans",
        "private.reward_rates",
        "private.audit_log",
        "private.idempotency_keys",
    ),
    *("private.schema_level", "private.realtime_outbox", "private.relay_lease", "private.legacy_tokens"),
    *("private.adoption", "private.adoption_steps", "private.adopted_roles", "private.openings"),
    "private.adopted_earnings",
)
# A trigger is named after its function; what stands behind two underscores tells two of one table apart. Triggers
# fire in the order of their names: zz_ has the last word, after triggers of the app's that change the row.
TRIGGERS = (
    *(
        (
            "zz_refuse_clients",
            f"before insert or update or delete or truncate on {table} {EACH_STATEMENT} when {CLIENT}",
        )
        for table in BACKEND_ONLY
    ),
    *(
        history
        for table in (
            *(
                "public.wallet_transactions",
                "private.ledger_entries",
                "private.ledger_seals",
                "private.audit_log",
                "private.adopted_roles",
                "private.openings",
                "private.adopted_earnings",
            ),
        )
        for history in (
            ("zz_keep_history", f"before update or delete on {table} {EACH_ROW}"),
            ("zz_keep_history__all", f"before truncate on {table} {EACH_STATEMENT}"),
        )
    ),
    *(
        ("zz_keep_balanced", f"after insert on {table} referencing new table as added {EACH_STATEMENT}")
        for table in ("public.wallet_transactions", "private.ledger_entries")
    ),
    ("zz_keep_wallet", f"after update on public.wallets referencing new table as moved {EACH_STATEMENT}"),
    (
        "zz_keep_answer",
        (
            f"before update on private.idempotency_keys {EACH_ROW} "
            "when (old.status is not null and current_user = 'lingualink_api')"
        ),
    ),
    (
        "zz_keep_delivery",
        (
            f"before update on private.realtime_outbox {EACH_ROW} "
            "when (old.delivered_at is distinct from new.delivered_at and old.delivered_at is not null "
            "and current_user = 'lingualink_api')"
        ),
    ),
    ("zz_keep_withdrawal", f"before update or delete on public.wallet_withdrawals {EACH_ROW}"),
    ("zz_keep_withdrawal__all", f"before truncate on public.wallet_withdrawals {EACH_STATEMENT}"),
    # Last, the app's tables: who writes them waits from here to the commit.
    ("zz_guard_post", f"before insert or update or delete on public.posts {EACH_ROW}"),
    ("zz_refuse_banned_author", f"before insert or update on public.posts {EACH_ROW}"),
    ("zz_refuse_clients", f"before truncate on public.posts {EACH_STATEMENT} when {CLIENT}"),
    ("zz_guard_profile", f"before insert or update or delete on public.profiles {EACH_ROW}"),
    ("zz_refuse_clients", f"before truncate on public.profiles {EACH_STATEMENT} when {CLIENT}"),
)

UP = (
    """
    -- Its triggers fire for clients only.
    create function private.refuse_clients() returns trigger language plpgsql set search_path = '' as $$
    begin
      raise insufficient_privilege using message = format('%I is written by the backend only', tg_table_name);
    end
    $$
    """,
    f"""
    create function private.guard_profile() returns trigger language plpgsql set search_path = '' as $$
    declare
      refused boolean;
      edited text;
    begin
      if {CLIENT} then
        if tg_op = 'UPDATE' then
          refused := {changed("profiles")};
          edited := old.id::text;
        elsif tg_op = 'INSERT' then
          -- An upsert of one's own profile comes here first, and as an update afterwards.
          refused := not exists (select from public.profiles p where p.id = new.id);
          edited := new.id::text;
        else
          refused := true;
        end if;
        if refused then
          raise insufficient_privilege using message = 'a profile is made by the backend, and so is its role';
        end if;
        if edited is distinct from {ME} then
          raise insufficient_privilege using message = 'only one''s own profile can be edited';
        end if;
      end if;
      if tg_op <> 'INSERT' and old.role in ('moderator', 'admin')
         and (tg_op = 'DELETE' or new.role is distinct from old.role) then
        -- Whoever changes it: what they are deciding comes first. Of others there may be too many in one statement.
        perform pg_advisory_xact_lock(6119, uuid_hash(old.id::uuid));
      end if;
      if tg_op = 'DELETE' then
        return old;
      end if;
      new.updated_at := now();
      return new;
    end
    $$
    """,  # noqa: S608 - our own text
    f"""
    create function private.guard_post() returns trigger language plpgsql set search_path = '' as $$
    declare
      client constant boolean := {CLIENT};
      me constant text := {ME};
    begin
      if tg_op = 'DELETE' then
        if client and (old.validation_status <> 'pending' or old.author_id::text is distinct from me) then
          raise insufficient_privilege using message = 'only pending posts of one''s own can be deleted';
        end if;
        return old;
      end if;
      if tg_op = 'INSERT' then
        if client then
          if new.author_id::text is distinct from me or new.validation_status <> 'pending'
             or num_nonnulls(new.validated_by, new.validated_at, new.validation_reason) > 0 then
            raise insufficient_privilege
              using message = 'a post is one''s own, and pending until the backend validates it';
          end if;
          new.created_at := now();  -- the queue is ordered by it
        end if;
        new.version := 1;
        return new;
      end if;
      if client and (
        old.author_id::text is distinct from me
        or old.validation_status <> 'pending'
        or {changed("posts")}
      ) then
        raise insufficient_privilege using message = 'only pending posts of one''s own can be edited';
      end if;
      if 'lingualink_api' in (current_user, session_user) and new.validation_status <> 'pending'
         and {DECIDED} is not true then
        raise insufficient_privilege using message = 'a decision says who made it, and that it is of now';
      end if;
      new.version := old.version + 1;
      return new;
    end
    $$
    """,
    f"""
    -- The same for clips that an adopted database has as its posts. Their counters are the app's to write, on anybody's
    -- clip: they are no part of what was judged, and raise no version.
    create function private.guard_clip() returns trigger language plpgsql set search_path = '' as $$
    declare
      client constant boolean := {CLIENT};
      me constant text := {ME};
      was constant jsonb := case tg_op when 'INSERT' then '{{}}' else to_jsonb(old) end;
      is_now constant jsonb := case tg_op when 'DELETE' then '{{}}' else to_jsonb(new) end;
      editable boolean;
    begin
      if tg_op = 'INSERT' then
        new.status := coalesce(new.status, 'pending');  -- old builds send none
        if client then
          if new.user_id::text is distinct from me or new.status <> 'pending'
             or num_nonnulls(new.validated_by, new.validated_at, new.validation_reason) > 0
             or 'true' in (is_now ->> 'is_validated', is_now ->> 'is_monetization_unlocked') then
            raise insufficient_privilege
              using message = 'a clip is one''s own, and pending until the backend validates it';
          end if;
          new.created_at := now();  -- the queue is ordered by it
        end if;
        new.version := 1;
        return new;
      end if;
      editable := not client
        or old.user_id::text is not distinct from me and coalesce(old.status, '') not in ('approved', 'rejected');
      if tg_op = 'DELETE' then
        if not editable then
          raise insufficient_privilege using message = 'only pending clips of one''s own can be deleted';
        end if;
        return old;
      end if;
      new.version := old.version;
      if {differs(CLIP_CLOSED)} then
        if client then
          raise insufficient_privilege using message = 'a clip is validated by the backend';
        end if;
        new.version := old.version + 1;
      end if;
      if {differs(CLIP_CONTENT)} then
        if not editable then
          raise insufficient_privilege using message = 'only pending clips of one''s own can be edited';
        end if;
        new.version := old.version + 1;
      end if;
      if new.status is distinct from old.status then
        if 'lingualink_api' in (current_user, session_user) and new.status <> 'pending'
           and {DECIDED} is not true then
          raise insufficient_privilege using message = 'a decision says who made it, and that it is of now';
        end if;
        if is_now ? 'is_validated' then
          new := jsonb_populate_record(new, jsonb_build_object('is_validated', new.status = 'approved'));
        end if;
      end if;
      return new;
    end
    $$
    """,
    """
    -- Definer rights, because clients can't read bans; it looks at the row's author, never at who is asking. The guard
    -- before it raised the version if anything changed that is judged: what others count on a clip is no edit.
    create function private.refuse_banned_author() returns trigger
    language plpgsql security definer set search_path = '' as $$
    declare
      post constant jsonb := to_jsonb(new);
      was constant jsonb := to_jsonb(old);
      author constant text := coalesce(post ->> 'author_id', post ->> 'user_id');
      status constant text := case when post ? 'validation_status' then 'validation_status' else 'status' end;
    begin
      -- An undecided clip of before may have any word for a status, or none.
      if (tg_op = 'INSERT' or (
            post -> 'version' <> was -> 'version'
            and coalesce(post ->> status, '') not in ('approved', 'rejected')
            and coalesce(was ->> status, '') not in ('approved', 'rejected')
          ))
         and exists (select from private.bans b where b.user_id = author::uuid) then
        raise insufficient_privilege using message = 'a banned user can''t post';
      end if;
      return new;
    end
    $$
    """,
    """
    -- An id names one post, whichever table is its home. The lock is for two that are added at the same moment.
    create function private.keep_post_once() returns trigger
    language plpgsql security definer set search_path = '' as $$
    begin
      perform pg_advisory_xact_lock(6118, hashtext(new.id::text));
      if exists (select from private.posts p where p.id = new.id::uuid and p.home <> tg_relid) then
        raise unique_violation using message = format('%s is another post''s id', new.id);
      end if;
      return new;
    end
    $$
    """,
    f"""
    -- Writes through the view of all posts, where it is a union. Its text is changed by an erasure alone.
    create function private.write_post() returns trigger
    language plpgsql security definer set search_path = '' as $$
    declare
      home constant regclass := old.home;
      blanked text := '';
      written bigint;
    begin
      if tg_op = 'DELETE' then
        execute format('delete from %s where id::uuid = $1', home) using old.id;
      elsif home = 'public.posts'::regclass then
        update public.posts
        set title = new.title, body = new.body, media_url = new.media_url, validation_status = new.validation_status,
            validated_by = new.validated_by, validated_at = new.validated_at, validation_reason = new.validation_reason
        where id = old.id;
      else
        if (new.title, new.body, new.media_url) is distinct from (old.title, old.body, old.media_url) then
          select string_agg(format(', %I = %L', attname, case attname when 'title' then new.title else '' end), '')
          into blanked
          from pg_attribute
          where attrelid = home and not attisdropped and attname = any ({listed(CLIP_TEXT)});
        end if;
        execute format(
          'update %s set status = $2, validated_by = $3, validated_at = $4, validation_reason = $5 %s '
          'where id::uuid = $1',
          home, coalesce(blanked, '')
        ) using old.id, new.validation_status, new.validated_by, new.validated_at, new.validation_reason;
      end if;
      get diagnostics written = row_count;
      if written = 0 then
        return null;
      elsif tg_op = 'DELETE' then
        return old;
      end if;
      return new;
    end
    $$
    """,  # noqa: S608 - our own names
    f"""
    -- Where an app of before kept money: builds that nobody updates go on reading it.
    create function private.guard_balance() returns trigger language plpgsql set search_path = '' as $$
    declare
      was constant jsonb := to_jsonb(old);
      is_now constant jsonb := to_jsonb(new);
    begin
      if {CLIENT} and {differs(("balance", "pending_balance", "total_earned"))} then
        raise insufficient_privilege using message = 'money is moved by the backend only';
      end if;
      return new;
    end
    $$
    """,
    """
    -- The balance as those builds read it, with two places: never more than there is.
    create function private.mirror_balance() returns trigger
    language plpgsql security definer set search_path = '' as $$
    begin
      update public.profiles set balance = trunc(new.balance, 2) where id::uuid = new.user_id;
      return null;
    end
    $$
    """,
    """
    -- A row of the ledger in the words of those builds. The amounts sum to the balance that they read.
    create function private.mirror_transaction() returns trigger
    language plpgsql security definer set search_path = '' as $$
    begin
      insert into public.transactions (id, user_id, amount, type, reference_id, description, created_at)
      select new.id, p.id, trunc(new.balance_after, 2) - trunc(new.balance_after - new.amount, 2),
             case
               when new.kind in ('earning', 'bonus', 'refund', 'penalty', 'withdrawal') then new.kind
               when new.kind = 'transfer_in' then 'top_up'
               when new.kind = 'transfer_out' then 'withdrawal'
               when new.amount > 0 then 'refund'
               else 'penalty'
             end,
             new.reference_id, new.note, new.created_at
      from public.profiles p where p.id::uuid = new.user_id;
      return null;
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
    """
    -- SHA-256 over a row of the ledger and the hash of the row before it, as docs/wallet.md gives it byte by byte.
    create function private.transaction_hash(previous bytea, t public.wallet_transactions) returns bytea
    language plpgsql stable set search_path = '' as $$
    begin
      return sha256(
        coalesce(previous, decode(repeat('00', 32), 'hex')) || convert_to(
          concat(
            t.id, chr(10), t.user_id, chr(10), t.kind, chr(10),
            regexp_replace(t.amount::text, '0{1,2}$', ''), chr(10),
            regexp_replace(t.balance_after::text, '0{1,2}$', ''), chr(10),
            t.version, chr(10), t.counterparty_id, chr(10), t.reference_id, chr(10),
            to_char(t.created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), chr(10)
          ),
          'UTF8'
        )
      );
    end
    $$
    """,
    """
    -- No statement leaves the books unbalanced, or a row that does not follow from the one before it. A transfer's two
    -- rows cancel each other; any other row stands against one entry; entries without a row cancel each other.
    create function private.keep_balanced() returns trigger language plpgsql set search_path = '' as $$
    declare
      wrong uuid;
    begin
      if tg_table_name = 'ledger_entries' then
        select e.reference_id into wrong
        from private.ledger_entries e
        left join public.wallet_transactions t
          on t.id = e.reference_id and t.kind not in ('transfer_out', 'transfer_in')
        where e.reference_id in (select reference_id from added)
        group by e.reference_id
        having sum(e.amount) + coalesce(max(t.amount), 0) <> 0
        limit 1;
      else
        select t.id into wrong
        from added t
        left join public.wallet_transactions p on p.user_id = t.user_id and p.version = t.version - 1
        left join public.wallets w on w.user_id = t.user_id
        left join lateral (
          select true as found from private.ledger_entries e
          where e.reference_id = t.id and e.amount = -t.amount limit 1
        ) e on true
        where (t.version > 1 and p.id is null)
          or t.balance_after <> coalesce(p.balance_after, 0) + t.amount
          or t.hash <> private.transaction_hash(p.hash, t)
          or w.version is null or w.version < t.version
          or case
               when t.kind in ('transfer_out', 'transfer_in') then not exists (
                 select from added o
                 where o.reference_id = t.reference_id and o.kind <> t.kind and o.amount = -t.amount
                   and o.kind in ('transfer_out', 'transfer_in')
               )
               else e.found is null
             end
        limit 1;
      end if;
      if wrong is not null then
        raise check_violation using message = format('the books do not balance at %s', wrong),
          constraint = 'ledger_balanced';
      end if;
      return null;
    end
    $$
    """,
    """
    -- A wallet is what its newest row says.
    create function private.keep_wallet() returns trigger language plpgsql set search_path = '' as $$
    declare
      wrong uuid;
    begin
      select w.user_id into wrong
      from moved w
      left join public.wallet_transactions t on t.user_id = w.user_id and t.version = w.version
      where (w.balance, w.hash) is distinct from (coalesce(t.balance_after, 0), t.hash)
        or (w.version > 0 and t.id is null)
      limit 1;
      if wrong is not null then
        raise check_violation using message = format('the wallet of %s does not follow from its rows', wrong),
          constraint = 'wallets_follow';
      end if;
      return null;
    end
    $$
    """,
    """
    -- What a key stands for is said once: a retry gets the first answer.
    create function private.keep_answer() returns trigger language plpgsql set search_path = '' as $$
    begin
      raise insufficient_privilege using message = 'a stored answer is never changed';
    end
    $$
    """,
    """
    -- What was delivered stays delivered.
    create function private.keep_delivery() returns trigger language plpgsql set search_path = '' as $$
    begin
      raise insufficient_privilege using message = 'a delivered event is never changed';
    end
    $$
    """,
    *(f"revoke all on function private.{function}() from public" for function in FUNCTIONS),
    "revoke all on function private.transaction_hash(bytea, public.wallet_transactions) from public",
    "grant execute on function private.transaction_hash(bytea, public.wallet_transactions) to lingualink_api",
    *(
        statement
        for trigger, when in TRIGGERS
        for statement in (
            f"create trigger {trigger} {when} execute function private.{trigger[3:].split('__')[0]}()",
            # in replica mode too, which a function may be allowed to switch to
            f"alter table {when.split(' on ')[1].split()[0]} enable always trigger {trigger}",
        )
    ),
)
DOWN = (
    *(f"drop trigger {trigger} on {when.split(' on ')[1].split()[0]}" for trigger, when in TRIGGERS),
    *(f"drop function private.{function}()" for function in FUNCTIONS),
    "drop function private.transaction_hash(bytea, public.wallet_transactions)",
)


def upgrade() -> None:
    # Several tables are locked one after the other: together they hold others up for less than two seconds.
    op.execute("set local lock_timeout = '400ms'")
    op.execute("set local statement_timeout = '30s'")
    for statement in UP:
        op.execute(statement)
    op.execute("update private.schema_level set level = 5")


def downgrade() -> None:
    op.execute("set local lock_timeout = '400ms'")
    op.execute("set local statement_timeout = '30s'")
    for statement in DOWN:
        op.execute(statement)
    op.execute("update private.schema_level set level = 4")
