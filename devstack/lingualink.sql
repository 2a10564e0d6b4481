-- LinguaLink's own database as it is older than the service, with made-up people and the rows that make it hard: columns
-- that clients could write, rules that let too much through, sums that are none. :id is uuid in its first schema, and
-- text in its later one. Whose ids end in 1 to 4 are the sample people of devstack/seed.py.
create table public.profiles (
  id :id primary key, email text, username text, full_name text, avatar_url text, bio text, country text,
  balance numeric(10, 2) default 0, pending_balance numeric(10, 2) default 0, total_earned numeric(10, 2) default 0,
  trust_score int default 100, validator_tier text default 'bronze', user_role text default 'user',
  is_admin boolean default false, admin_password_hash text, admin_roles text[], role text default 'user',
  is_banned boolean default false, referred_by_id :id, vanity_code text unique, expo_push_token text,
  bank_name text, account_number_last_4 text, notification_prefs jsonb default '{}', updated_at timestamptz default now()
);
create table public.voice_clips (
  id uuid primary key default gen_random_uuid(), user_id :id references public.profiles (id) on delete cascade,
  phrase text, translation text, language text, dialect text, audio_url text, duration int, clip_type text,
  original_clip_id uuid, likes_count int default 0, is_monetized boolean default false,
  is_validated boolean default false, is_monetization_unlocked boolean default false,
  status text default 'pending', created_at timestamptz default now()
);
create table public.video_clips (
  id uuid primary key default gen_random_uuid(), user_id :id references public.profiles (id) on delete cascade,
  title text, language text, dialect text, video_url text, thumbnail_url text, duration int, views_count int default 0,
  is_monetized boolean default false, is_validated boolean default false,
  is_monetization_unlocked boolean default false, status text default 'pending', created_at timestamptz default now()
);
create table public.validations (
  id uuid primary key default gen_random_uuid(), voice_clip_id uuid, validator_id :id, is_approved boolean,
  validation_type text, rating int, feedback text, created_at timestamptz default now()
);
create table public.transactions (
  id uuid primary key default gen_random_uuid(), user_id :id references public.profiles (id) on delete cascade,
  amount numeric(10, 2) not null, type text not null check (
    type in ('earning', 'withdrawal', 'bonus', 'penalty', 'refund', 'top_up', 'fund_lock', 'fund_unlock')
  ),
  category text, reference_id uuid, description text, created_at timestamptz default now()
);
create table public.withdrawals (
  id uuid primary key default gen_random_uuid(), user_id :id, amount numeric(10, 2), status text default 'pending',
  created_at timestamptz default now()
);
create table public.reward_rates (
  action_type text primary key, amount numeric(10, 4), currency text default 'USD', is_active boolean default true
);

alter table public.profiles enable row level security;
alter table public.voice_clips enable row level security;
alter table public.video_clips enable row level security;
alter table public.validations enable row level security;
alter table public.transactions enable row level security;
alter table public.withdrawals enable row level security;
create policy "Profiles are public" on public.profiles for select using (true);
create policy "Own profile" on public.profiles for all using (auth.uid()::text = id::text);
create policy "Clips are public" on public.voice_clips for select using (true);
create policy "Anyone adds clips" on public.voice_clips for insert with check (true);
create policy "Own clips" on public.voice_clips for update using (auth.uid()::text = user_id::text);
create policy "Clips are public" on public.video_clips for select using (true);
create policy "Anyone adds clips" on public.video_clips for insert with check (true);
create policy "Own clips" on public.video_clips for update using (auth.uid()::text = user_id::text);
create policy "Anyone validates" on public.validations for all using (true) with check (true);
create policy "Own transactions" on public.transactions for select using (auth.uid()::text = user_id::text);
create policy "Own withdrawals" on public.withdrawals for all using (auth.uid()::text = user_id::text);
grant all on all tables in schema public to anon, authenticated;
create index profiles_username on public.profiles (username);

insert into public.profiles (id, email, username, balance, role, is_admin, admin_roles, admin_password_hash) values
  ('a0000000-0000-4000-8000-000000000001', 'admin@lingualink.test', 'admin', 0, 'super_admin', true, '{payouts}', 'x'),
  ('b0000000-0000-4000-8000-000000000002', 'moderator@lingualink.test', 'moderator', 12.30, 'admin', true, null, null),
  ('c0000000-0000-4000-8000-000000000003', 'learner@lingualink.test', 'learner', 25.00, 'user', false, null, null),
  ('d0000000-0000-4000-8000-000000000004', 'tutor@lingualink.test', 'tutor', 100.00, 'user', false, null, null),
  -- who helped themselves, and sums that are none
  ('e0000000-0000-4000-8000-000000000005', 'mallory@lingualink.test', 'mallory', 'NaN', 'admin', true, '{all}', null),
  ('e0000000-0000-4000-8000-000000000006', 'eve@lingualink.test', 'eve', -4.00, null, false, null, null),
  ('e0000000-0000-4000-8000-000000000007', 'nobody@lingualink.test', 'nobody', null, 'owner', false, null, null);
update public.profiles set updated_at = null where username in ('eve', 'nobody');
insert into public.voice_clips (id, user_id, phrase, language, clip_type, status, is_validated) values
  ('10000000-0000-4000-8000-000000000001', 'c0000000-0000-4000-8000-000000000003', 'Sanibonani', 'zu', 'original', 'pending', false),
  ('10000000-0000-4000-8000-000000000002', 'd0000000-0000-4000-8000-000000000004', 'E kaaro', 'yo', 'original', 'approved', true),
  ('10000000-0000-4000-8000-000000000003', 'e0000000-0000-4000-8000-000000000005', 'Mine', 'en', 'remix', 'approved', true),
  ('10000000-0000-4000-8000-000000000004', 'e0000000-0000-4000-8000-000000000006', null, null, null, 'flagged', false),
  ('10000000-0000-4000-8000-000000000005', null, 'Nobody''s', 'sw', null, null, false);
insert into public.video_clips (id, user_id, title, language, status) values
  ('20000000-0000-4000-8000-000000000001', 'c0000000-0000-4000-8000-000000000003', 'Market day', 'sw', 'pending'),
  ('20000000-0000-4000-8000-000000000002', 'd0000000-0000-4000-8000-000000000004', '', 'yo', 'rejected');
insert into public.validations (voice_clip_id, validator_id, is_approved) values
  ('10000000-0000-4000-8000-000000000003', 'e0000000-0000-4000-8000-000000000005', true),
  ('10000000-0000-4000-8000-000000000003', 'e0000000-0000-4000-8000-000000000005', true),
  ('10000000-0000-4000-8000-000000000099', 'd0000000-0000-4000-8000-000000000004', true);
insert into public.transactions (user_id, amount, type, reference_id) values
  ('b0000000-0000-4000-8000-000000000002', 12.30, 'earning', '10000000-0000-4000-8000-000000000002'),
  ('c0000000-0000-4000-8000-000000000003', 20.00, 'top_up', '30000000-0000-4000-8000-000000000001'),
  ('d0000000-0000-4000-8000-000000000004', 50.00, 'top_up', '30000000-0000-4000-8000-000000000002'),
  ('d0000000-0000-4000-8000-000000000004', 50.00, 'top_up', '30000000-0000-4000-8000-000000000002');
insert into public.withdrawals (user_id, amount, status) values
  ('e0000000-0000-4000-8000-000000000005', 5000000.00, 'completed'),
  ('c0000000-0000-4000-8000-000000000003', 5.00, 'pending');
insert into public.reward_rates (action_type, amount) values
  ('voice_clip_approved', 0.0050), ('validation', 0.0040), ('video_clip_approved', 999.0000);
