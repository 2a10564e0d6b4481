-- What LinguaLink's app made for itself, with its policies and grants: clips, votes, and money as its builds write them.
create table public.voice_clips (
  id uuid primary key default gen_random_uuid(), user_id text not null, phrase text not null, translation text,
  language text not null, dialect text, audio_url text not null default '', duration integer, clip_type text,
  likes_count integer default 0, is_monetized boolean default false, is_validated boolean default false,
  is_monetization_unlocked boolean default false, status text default 'pending', created_at timestamptz default now()
);
create table public.video_clips (
  id uuid primary key default gen_random_uuid(), user_id text not null, title text not null, translation text,
  language text not null, dialect text, video_url text not null default '', thumbnail_url text,
  views_count integer default 0, is_validated boolean default false, is_monetization_unlocked boolean default false,
  status text default 'pending', created_at timestamptz default now()
);
create table public.validations (
  id uuid primary key default gen_random_uuid(), voice_clip_id uuid, validator_id text, is_approved boolean,
  validation_type text, rating integer, feedback text, created_at timestamptz default now()
);
alter table public.voice_clips enable row level security;
alter table public.video_clips enable row level security;
alter table public.validations enable row level security;
create policy anyone_reads on public.voice_clips for select using (true);
create policy own_rows on public.voice_clips for all
  using (auth.uid()::text = user_id) with check (auth.uid()::text = user_id);
create policy system_writes on public.voice_clips for all using (true) with check (true);
create policy system_writes on public.video_clips for all using (true) with check (true);
create policy anyone_votes on public.validations for all using (true) with check (true);
grant all on public.voice_clips, public.video_clips, public.validations to anon, authenticated, service_role;
alter table public.profiles add column balance numeric default 0, add column total_earned numeric default 0;
create table public.transactions (
  id uuid primary key default gen_random_uuid(), user_id text, amount numeric(10, 2),
  type text check (type in ('earning', 'withdrawal', 'bonus', 'penalty', 'refund', 'top_up', 'fund_lock', 'fund_unlock')),
  category text, reference_id uuid, description text, created_at timestamptz default now()
);
create table public.withdrawals (
  id uuid primary key default gen_random_uuid(), user_id text, amount numeric(10, 2), status text default 'pending'
);
create table public.reward_rates (action_type text primary key, amount numeric(10, 4), currency text, is_active boolean);
create policy owner_reads on public.transactions for select using (auth.uid()::text = user_id);
create policy anyone_withdraws on public.withdrawals for all using (true) with check (true);
grant all on public.transactions, public.withdrawals, public.reward_rates to anon, authenticated, service_role;
