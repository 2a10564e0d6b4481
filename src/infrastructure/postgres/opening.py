"""The SQL that opens a wallet with a balance: for the doctor's scene, sample people, tests."""

# $1 user, $2 amount. Wallet, row and entry are one statement, for the books balance at the end of each; a wallet that
# has moved already stays as it is.
OPEN_WITH_BALANCE = """
with opened as (
  select gen_random_uuid() as id, user_id, amount, clock_timestamp() as at
  from (values ($1::uuid, $2::numeric(12, 4))) as v (user_id, amount)
  where amount > 0 and not exists (select from public.wallets w where w.user_id = v.user_id and w.version > 0)
), hashed as (
  select o.*, private.transaction_hash(
    null, row(id, user_id, 'opening', amount, amount, 1, null, null, null, at, null)::public.wallet_transactions
  ) as hash
  from opened o
), wallet as (
  insert into public.wallets (user_id, balance, version, updated_at, hash)
  select user_id, amount, 1, at, hash from hashed
  on conflict (user_id) do update
  set balance = excluded.balance, version = 1, updated_at = excluded.updated_at, hash = excluded.hash
), entry as (
  insert into private.ledger_entries (reference_id, account, amount, created_at)
  select id, 'opening', -amount, at from hashed
)
insert into public.wallet_transactions (id, user_id, kind, amount, balance_after, version, created_at, hash)
select id, user_id, 'opening', amount, amount, 1, at, hash from hashed
"""
