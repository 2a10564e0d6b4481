-- A project as Supabase's quickstart for user management leaves it:
-- https://supabase.com/docs/guides/getting-started/tutorials/with-react
create table public.profiles (
  id uuid references auth.users not null primary key,
  updated_at timestamp with time zone,
  username text unique,
  full_name text,
  avatar_url text,
  website text,
  constraint username_length check (char_length(username) >= 3)
);
alter table public.profiles enable row level security;
create policy "Public profiles are viewable by everyone." on public.profiles for select using (true);
create policy "Users can insert their own profile." on public.profiles for insert
  with check ((select auth.uid()) = id);
create policy "Users can update own profile." on public.profiles for update using ((select auth.uid()) = id);
grant all on public.profiles to anon, authenticated;
create function public.handle_new_user() returns trigger set search_path = '' language plpgsql security definer
as $$
begin
  insert into public.profiles (id, full_name, avatar_url)
  values (new.id, new.raw_user_meta_data ->> 'full_name', new.raw_user_meta_data ->> 'avatar_url');
  return new;
end;
$$;
create trigger on_auth_user_created after insert on auth.users
  for each row execute procedure public.handle_new_user();
insert into auth.users (id, email) values ('a0000000-0000-4000-8000-000000000001', 'ada@lingualink.test');
