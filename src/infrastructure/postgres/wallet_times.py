"""Where a time lies in a wallet: between two versions, found by halving. And what is read there."""

from typing import Final

from infrastructure.postgres.queries import EPOCH, TRANSACTION_COLUMNS

LAST_VERSION: Final = 2**63 - 1
# The newest row's version of the wallet of {owner}; null where it has no row.
NEWEST: Final = f"""
select version from public.wallet_transactions
where (user_id, version) <= ({{owner}}, {LAST_VERSION}) and user_id >= {{owner}}
order by user_id desc, version desc limit 1
"""  # noqa: S608 - a number of ours


def _last_version(name: str, when: str) -> str:
    """A recursive query that ends with ``step = 0``: in ``place`` the version of $1's last row whose time is *when*.

    It is 0 for none. Versions have no gaps and times follow them, so steps are halved: of a million rows twenty are
    looked at. The steps begin with a power of two, so that rows of later times change no answer; they would, if the
    middle of all rows were looked at, where the database's clock was set back once (docs/wallet.md).
    """
    return f"""{name} as (
  select 0::bigint as place, (1::bigint << length(ltrim(coalesce((
    {NEWEST.format(owner="$1::uuid")}
  ), 0)::bit(64)::text, '0'))) >> 1 as step
  union all
  select case when t.created_at {when} then t.version else s.place end, s.step >> 1
  from {name} s left join public.wallet_transactions t on t.user_id = $1 and t.version = s.place + s.step
  where s.step > 0
)"""  # noqa: S608


WALLET_AT = f"""
with recursive {_last_version("found", "<= $2")}
select private.account_status($1, null) = 'deleted' as deleted, $1::uuid as user_id,
       coalesce(t.balance_after, 0.0000) as balance, found.place as version, {EPOCH}
from found left join public.wallet_transactions t on t.user_id = $1 and t.version = found.place
where found.step = 0
"""  # noqa: S608
_PERIOD = f"""
with recursive {_last_version("before", "< $2")}, {_last_version("until", "< $3")}
"""
STATEMENT = f"""{_PERIOD}
select private.account_status($1, null) = 'deleted' as deleted, coalesce(o.balance_after, 0.0000) as opening, found.*
from before join until on before.step = 0 and until.step = 0
left join public.wallet_transactions o on o.user_id = $1 and o.version = before.place
left join lateral (
  select {TRANSACTION_COLUMNS} from public.wallet_transactions
  where (user_id, version) > ($1, before.place) and (user_id, version) <= ($1, until.place)
  order by user_id, version limit $4
) found on true
"""  # noqa: S608
VERSIONS = f"""{_PERIOD}
select before.place as above, until.place + 1 as below
from before join until on before.step = 0 and until.step = 0
"""  # noqa: S608
