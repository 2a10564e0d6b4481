"""What the doctor asks of a database that had the app's tables first: whether it is finished, and as it was made."""

from typing import Final

import asyncpg

from infrastructure.adoption.mirrored import look_at_mirrored
from infrastructure.adoption.money import MIRRORS, money_guards, money_mirrors
from infrastructure.adoption.observations import Look, Part
from infrastructure.adoption.posts import SHOWING, post_guards
from infrastructure.adoption.profiles import READABLE_COLUMNS
from infrastructure.adoption.shape import PostsSource, is_credential, is_private, read_shape
from infrastructure.doctor.catalogue import Items, compare, read_items
from infrastructure.doctor.findings import SHOWN, Findings, error, listed, warning

_UNFINISHED = "select begun_at from private.adoption where adopted_at is null"
_ADOPTED = "select posts_source, legacy_retired_at from private.adoption where adopted_at is not null"
_FROZEN = """
select count(*) as count, (array_agg(user_id order by user_id))[:$1] as ids from public.wallets where frozen
having count(*) > 0
"""
# $1 the step from which on the old places are written by the mirrors alone
_SINCE = "select finished_at from private.adoption_steps where name = $1"
_MIRRORED = """
select exists (
  select from pg_trigger where tgname = $1 and tgrelid = $2::text::regclass and tgenabled <> 'D'
)
"""
# $1 how many are named, $2 since when
_WRITTEN = """
select count(*) as count, (array_agg(x.id::text order by x.created_at, x.id))[:$1] as ids
from public.transactions x
where x.created_at > $2 and not exists (select from public.wallet_transactions t where t.id::text = x.id::text)
having count(*) > 0
"""
_DIFFERS = """
select count(*) as count, (array_agg(p.id::text order by p.id))[:$1] as ids
from public.profiles p join public.wallets w on w.user_id = p.id::uuid
where not w.frozen and trunc(w.balance, 2) is distinct from trunc(coalesce(p.balance, 0)::numeric, 2)
having count(*) > 0
"""
_STOP: Final = (
    "switch off whatever writes it; what it paid is not in the ledger: book it by hand, or take it back"
)


async def check_adoption(connection: asyncpg.Connection) -> Findings:
    """Find an adoption that is not finished."""
    for [begun] in await connection.fetch(_UNFINISHED):
        yield error(
            "half_adopted",
            f"an adoption began {begun:%Y-%m-%d %H:%M} UTC and is not finished; the service is not ready",
            "run `lingualink adopt --confirm-roles FILE` again: it goes on where it stopped",
        )


async def read_guards(connection: asyncpg.Connection) -> Items:
    """The triggers that an adoption made; none where nothing was adopted, or not to the end."""
    wanted: dict[str, str] = {}
    shape = await read_shape(connection)
    for posts_source, retired_at in await connection.fetch(_ADOPTED):
        wanted |= money_guards(shape)
        if posts_source == PostsSource.CLIPS:
            wanted |= {**post_guards(shape), **SHOWING}
        if retired_at is None:
            wanted |= money_mirrors(shape)
    found = await read_items(connection, [*shape.tables, "private.posts"]) if wanted else {}
    return Items({name: sql for name, sql in found.items() if name in wanted}, wanted)


async def check_guards(connection: asyncpg.Connection) -> Findings:
    """Find what an adoption made on the app's tables, and is missing, altered or disabled."""
    for finding in compare(*await read_guards(connection)):
        yield finding


async def check_mirrors(connection: asyncpg.Connection) -> Findings:
    """Find what of the app's ``transactions`` would refuse the rows that the ledger writes there, by now."""
    for _, retired_at in await connection.fetch(_ADOPTED):
        if retired_at is not None:
            return
        look = Look(connection, Part.STOPS)
        await look_at_mirrored(look, await read_shape(connection))
        for seen in look.seen:
            yield error(
                seen.code,
                f"payments would be refused: {seen.where}: {seen.message}",
                "docs/adoption.md says what to do; or `lingualink adopt --retire-legacy`",
            )


async def check_frozen(connection: asyncpg.Connection) -> Findings:
    """Find wallets that are frozen."""
    for count, ids in await connection.fetch(_FROZEN, SHOWN):
        yield warning(
            "wallets_frozen",
            f"{count} wallets are frozen: {listed(ids, count)}",
            "clear up what their owners are owed, then `lingualink unfreeze` (docs/wallet.md)",
        )


async def check_old_money(connection: asyncpg.Connection) -> Findings:
    """Find what somebody else wrote to the old places of money since the ledger writes them, as the tables' owner."""
    since = await connection.fetchval(_SINCE, MIRRORS)
    if since is None:
        return
    if await connection.fetchval(_MIRRORED, "zz_mirror_transaction", "public.wallet_transactions"):
        for count, ids in await connection.fetch(_WRITTEN, SHOWN, since):
            what = f"{count} rows of public.transactions are of somebody else, written since the adoption"
            yield error("old_money_writer", f"{what}: {listed(ids, count)}", _STOP)
    if await connection.fetchval(_MIRRORED, "zz_mirror_balance", "public.wallets"):
        for count, ids in await connection.fetch(_DIFFERS, SHOWN):
            what = f"{count} balances in public.profiles are not what the wallets hold"
            yield error("old_balance_differs", f"{what}: {listed(ids, count)}", _STOP)


async def check_private_columns(connection: asyncpg.Connection) -> Findings:
    """Find columns of profiles that clients read of everybody, and that say what nobody else should know."""
    fix = "hide it when no build in use needs it: `lingualink adopt --retire-legacy` (docs/adoption.md)"
    for name, _, roles in await connection.fetch(READABLE_COLUMNS):
        what = f"{' and '.join(roles)} may read profiles.{name} of everybody"
        if is_credential(name):
            yield error("credential_readable", what, fix)
        elif is_private(name):
            yield warning("private_readable", what, fix)
