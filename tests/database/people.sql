-- Whom the attacks are about. Ids end in what they stand for.
insert into auth.users (id, email) values
  ('00000000-0000-4000-8000-0000000000a1', 'me@lingualink.test'),
  ('00000000-0000-4000-8000-0000000000b1', 'victim@lingualink.test'),
  ('00000000-0000-4000-8000-0000000000c1', 'banned@lingualink.test');
insert into public.profiles (id, username, role) values
  ('00000000-0000-4000-8000-0000000000a1', 'myself', 'user'),
  ('00000000-0000-4000-8000-0000000000b1', 'victim', 'admin'),
  ('00000000-0000-4000-8000-0000000000c1', 'banned', 'user')
-- a trigger of the app's may have made them
on conflict (id) do update set username = excluded.username, role = excluded.role;
insert into public.posts (id, author_id, kind, title, language, validation_status, validation_reason) values
  ('00000000-0000-4000-8000-0000000000a2', '00000000-0000-4000-8000-0000000000a1', 'text', 'mine', 'rw', 'pending', 'once more'),
  ('00000000-0000-4000-8000-0000000000a3', '00000000-0000-4000-8000-0000000000a1', 'text', 'mine', 'rw', 'approved', null),
  ('00000000-0000-4000-8000-0000000000a4', '00000000-0000-4000-8000-0000000000a1', 'text', 'mine', 'rw', 'rejected', 'noise'),
  ('00000000-0000-4000-8000-0000000000b2', '00000000-0000-4000-8000-0000000000b1', 'text', 'not mine', 'rw', 'pending', null),
  ('00000000-0000-4000-8000-0000000000b3', '00000000-0000-4000-8000-0000000000b1', 'text', 'not mine', 'rw', 'approved', null),
  ('00000000-0000-4000-8000-0000000000c2', '00000000-0000-4000-8000-0000000000c1', 'text', 'banned', 'rw', 'pending', null);
with given (id, user_id, amount, note) as (values
  ('00000000-0000-4000-8000-0000000000a5'::uuid, '00000000-0000-4000-8000-0000000000a1'::uuid, 10.0000, 'mine'),
  ('00000000-0000-4000-8000-0000000000b5'::uuid, '00000000-0000-4000-8000-0000000000b1'::uuid, 20.0000, 'not mine')
), hashed as (
  select g.*, private.transaction_hash(
    null, row(id, user_id, 'bonus', amount, amount, 1, null, null, null, now(), null)::public.wallet_transactions
  ) as hash
  from given g
), wallet as (
  insert into public.wallets (user_id, balance, version, hash) select user_id, amount, 1, hash from hashed
), entry as (
  insert into private.ledger_entries (reference_id, account, amount, created_at)
  select id, 'adjustments', -amount, now() from hashed
)
insert into public.wallet_transactions (id, user_id, kind, amount, balance_after, version, note, created_at, hash)
select id, user_id, 'bonus', amount, amount, 1, note, now(), hash from hashed;
insert into public.wallet_withdrawals (id, user_id, amount, transaction_id, created_at) values
  ('00000000-0000-4000-8000-0000000000a7', '00000000-0000-4000-8000-0000000000a1', 2, gen_random_uuid(), now()),
  ('00000000-0000-4000-8000-0000000000b7', '00000000-0000-4000-8000-0000000000b1', 2, gen_random_uuid(), now());
insert into private.bans (user_id, reason, banned_by) values
  ('00000000-0000-4000-8000-0000000000c1', 'spam', '00000000-0000-4000-8000-0000000000b1');
insert into private.reward_rates (action, amount) values ('post_approved', 5)
  on conflict (action) do update set amount = excluded.amount;
insert into private.audit_log
  (id, actor_id, session_id, action, target_id, before, after, request_id, occurred_at) values
  ('00000000-0000-4000-8000-0000000000b6', '00000000-0000-4000-8000-0000000000b1', gen_random_uuid(), 'user_banned',
   '00000000-0000-4000-8000-0000000000c1', '{}', '{}', 'r', now());
insert into private.realtime_outbox (event_id, topic, event, payload) values
  (gen_random_uuid(), 'user:00000000-0000-4000-8000-0000000000b1', 'balance_updated', '{"balance": "20.00"}');
insert into private.idempotency_keys (user_id, key, fingerprint) values
  ('00000000-0000-4000-8000-0000000000b1', 'key', '\x00');
insert into realtime.messages (topic, extension, event, payload, private) values
  ('user:00000000-0000-4000-8000-0000000000a1', 'broadcast', 'balance_updated', '{}', true),
  ('user:00000000-0000-4000-8000-0000000000b1', 'broadcast', 'balance_updated', '{}', true),
  ('room:lobby', 'broadcast', 'hello', '{}', true);
