-- A LinguaLink database that is older than the service: text ids, ids of another identity provider, balances that
-- clients could write, roles of the admin portal, rules that let too much through.
create table public.profiles (
  id text primary key, email text, username text, full_name text, avatar_url text,
  balance numeric(10, 2) default 0, pending_balance numeric(10, 2) default 0, total_earned numeric(10, 2) default 0,
  user_role text default 'user', is_admin boolean default false, admin_roles text[], role text default 'user',
  updated_at timestamptz default now()
);
create table public.voice_clips (
  id uuid primary key default gen_random_uuid(), user_id text, phrase text, language text,
  status text default 'pending', created_at timestamptz default now()
);
create table public.video_clips (
  id uuid primary key default gen_random_uuid(), user_id text, title text, language text,
  status text default 'pending', created_at timestamptz default now()
);
create table public.validations (
  id uuid primary key default gen_random_uuid(), voice_clip_id uuid, validator_id text, is_approved boolean
);
create table public.transactions (
  id uuid primary key default gen_random_uuid(), user_id text, amount numeric(10, 2), type text, reference_id uuid
);
create table public.withdrawals (
  id uuid primary key default gen_random_uuid(), user_id text, amount numeric(10, 2), status text
);
create table public.reward_rates (action_type text primary key, amount numeric(10, 4));
create table public.wallets (user_id uuid primary key, balance numeric(14, 5));

alter table public.profiles enable row level security;
create policy anyone_reads on public.profiles for select using (true);
create policy own_row on public.profiles for update using (auth.uid()::text = id);
create policy system_inserts on public.voice_clips for insert with check (true);
alter table public.voice_clips enable row level security;
grant select, update on public.profiles to anon, authenticated;
grant all on public.reward_rates to anon, authenticated;
grant insert on public.voice_clips to authenticated;
create function public.migrate_clerk_user(email text) returns void language sql security definer
as $$ update public.profiles set id = auth.uid()::text where profiles.email = migrate_clerk_user.email $$;
create view public.leaderboard as select username, balance from public.profiles;
grant select on public.leaderboard to anon;

insert into auth.users (id) values
  ('a0000000-0000-4000-8000-000000000001'), ('a0000000-0000-4000-8000-000000000002'),
  ('a0000000-0000-4000-8000-000000000003'), ('a0000000-0000-4000-8000-000000000004');
insert into public.profiles (id, balance, role, is_admin, admin_roles) values
  ('a0000000-0000-4000-8000-000000000001', 12.50, 'user', false, null),
  ('a0000000-0000-4000-8000-000000000002', 'NaN', 'admin', true, '{payouts}'),
  ('a0000000-0000-4000-8000-000000000003', -4.00, 'super_admin', false, null),
  ('A0000000-0000-4000-8000-000000000003', 0, 'user', false, null),
  ('a0000000-0000-4000-8000-000000000004', null, 'user', false, null),
  ('user_2abcClerk', 3.00, 'user', false, null);
insert into public.profiles (id) select 'user_3' || lpad(n::text, 3, '0') from generate_series(1, 30) n;
insert into public.transactions (user_id, amount, type, reference_id) values
  ('a0000000-0000-4000-8000-000000000001', 12.50, 'earning', 'b0000000-0000-4000-8000-000000000001'),
  ('user_2abcClerk', 1.00, 'top_up', 'b0000000-0000-4000-8000-000000000002'),
  ('user_2abcClerk', 1.00, 'top_up', 'b0000000-0000-4000-8000-000000000002');
insert into public.voice_clips (id, user_id, status) values
  ('c0000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000001', 'approved'),
  ('c0000000-0000-4000-8000-000000000002', 'gone', 'orphan');
insert into public.validations (voice_clip_id, validator_id) values
  ('c0000000-0000-4000-8000-000000000009', 'a0000000-0000-4000-8000-000000000001');
insert into public.withdrawals (id, user_id, amount, status) values
  ('d0000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000001', 5.00, 'paid_out');
insert into public.wallets values
  ('a0000000-0000-4000-8000-000000000001', 100000000), ('a0000000-0000-4000-8000-000000000002', 0.00001);
