"""What is left to do on a database that had the app's tables first, and what clients read there that is private."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from infrastructure.adoption.legacy import is_credential, is_private
from infrastructure.adoption.money import MIRRORS, money_guards, money_mirrors
from infrastructure.adoption.posts import post_guards
from infrastructure.adoption.shape import PostsSource, read_shape
from infrastructure.doctor.catalogue import compare, read_items
from infrastructure.doctor.findings import Finding, error, warning
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import connect

_UNFINISHED = "select begun_at from private.adoption where adopted_at is null"
# Columns of the app's, by whoever of the clients may read them.
_READABLE = """
select a.attname::text as name, string_agg(r.name, ' and ' order by r.name) as roles
from pg_attribute a cross join unnest(array['anon', 'authenticated']) as r (name)
where a.attrelid = 'public.profiles'::regclass and a.attnum > 0 and not a.attisdropped
  and has_column_privilege(r.name, a.attrelid, a.attnum, 'select')
group by a.attnum, a.attname order by a.attnum
"""


_ADOPTED = "select posts_source, legacy_retired_at from private.adoption where adopted_at is not null"
_FROZEN = """
select count(*) as count, (array_agg(user_id order by user_id))[:$1] as ids from public.wallets where frozen
"""
# $1 the step from which on the old places are written by the mirrors alone
_SINCE = "select finished_at from private.adoption_steps where name = $1"
_MIRRORED = """
select exists (
  select from pg_trigger where tgname = $1 and tgrelid = $2::text::regclass and tgenabled <> 'D'
)
"""
# $1 since when
_WRITTEN = """
select count(*) as count, (array_agg(x.id::text order by x.created_at, x.id))[:$2] as ids
from public.transactions x
where x.created_at > $1 and not exists (select from public.wallet_transactions t where t.id::text = x.id::text)
"""
_DIFFERS = """
select count(*) as count, (array_agg(p.id::text order by p.id))[:$1] as ids
from public.profiles p join public.wallets w on w.user_id = p.id::uuid
where not w.frozen and trunc(w.balance, 2) is distinct from trunc(coalesce(p.balance, 0)::numeric, 2)
"""
_SHOWN: Final = 20


async def check_guards(connection: asyncpg.Connection) -> Sequence[Finding]:
    """Find what an adoption made on the app's tables, and is missing, altered or disabled."""
    adoption = await connection.fetchrow(_ADOPTED)
    if adoption is None:
        return []
    shape = await read_shape(connection)
    wanted = dict(money_guards(shape))
    if adoption["posts_source"] == PostsSource.CLIPS:
        wanted |= post_guards(shape)
    if adoption["legacy_retired_at"] is None:
        wanted |= money_mirrors(shape)
    found = await read_items(connection, shape.tables)
    return compare({name: sql for name, sql in found.items() if name in wanted}, wanted)


async def check_frozen(connection: asyncpg.Connection) -> Sequence[Finding]:
    """Find wallets that are frozen."""
    row = await connection.fetchrow(_FROZEN, _SHOWN)
    if row is None or not row["count"]:
        return []
    return [
        warning(
            "wallets_frozen",
            f"{row['count']} wallets are frozen: {_listed(row['ids'], row['count'])}",
            "clear up what their owners are owed, then `lingualink unfreeze` (docs/wallet.md)",
        )
    ]


async def check_old_money(migrator: DatabaseAddress | None) -> Sequence[Finding]:
    """Find what somebody else wrote to the old places of money since the ledger writes them."""
    if migrator is None:
        return []
    try:
        connection = await connect(migrator)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return []  # which the tries as a client tell of, with its cause
    try:
        since = await connection.fetchval(_SINCE, MIRRORS)
        if since is None:
            return []
        findings = []
        stop = "switch off whatever writes it; what it paid is not in the ledger: book it by hand, or take it back"
        if await connection.fetchval(_MIRRORED, "zz_mirror_transaction", "public.wallet_transactions"):
            row = await connection.fetchrow(_WRITTEN, since, _SHOWN)
            if row is not None and row["count"]:
                what = f"{row['count']} rows of public.transactions are of somebody else, written since the adoption"
                findings.append(
                    error("old_money_writer", f"{what}: {_listed(row['ids'], row['count'])}", stop)
                )
        if await connection.fetchval(_MIRRORED, "zz_mirror_balance", "public.wallets"):
            row = await connection.fetchrow(_DIFFERS, _SHOWN)
            if row is not None and row["count"]:
                what = f"{row['count']} balances in public.profiles are not what the wallets hold"
                findings.append(
                    error("old_balance_differs", f"{what}: {_listed(row['ids'], row['count'])}", stop)
                )
        return findings
    finally:
        await connection.close()


def _listed(values: Sequence[object], count: int) -> str:
    return ", ".join(map(str, values)) + (", …" if count > _SHOWN else "")


async def check_adoption(connection: asyncpg.Connection) -> Sequence[Finding]:
    """Find an adoption that is not finished."""
    begun = await connection.fetchval(_UNFINISHED)
    if begun is None:
        return []
    return [
        error(
            "half_adopted",
            f"an adoption began {begun:%Y-%m-%d %H:%M} UTC and is not finished; the service is not ready",
            "run `lingualink adopt --confirm-roles FILE` again: it goes on where it stopped",
        )
    ]


async def check_private_columns(connection: asyncpg.Connection) -> Sequence[Finding]:
    """Find columns of profiles that clients read of everybody, and that say what nobody else should know."""
    findings = []
    for row in await connection.fetch(_READABLE):
        name, roles = row["name"], row["roles"]
        fix = "hide it when no build in use needs it: `lingualink adopt --retire-legacy` (docs/adoption.md)"
        if is_credential(name):
            findings.append(
                error("credential_readable", f"{roles} may read profiles.{name} of everybody", fix)
            )
        elif is_private(name):
            findings.append(
                warning("private_readable", f"{roles} may read profiles.{name} of everybody", fix)
            )
    return findings
