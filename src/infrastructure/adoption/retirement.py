"""What is done when no old build is in use any more: what they needed, and nobody else should have, goes."""

import asyncpg

from infrastructure.adoption.legacy import is_credential, is_private
from infrastructure.adoption.money import MONEY_RETIREMENT
from infrastructure.adoption.steps import Adoption, Step

_COLUMNS = """
select r.name as role, a.attname::text as column, quote_ident(a.attname) as quoted,
       has_column_privilege(r.name, a.attrelid, a.attnum, 'select') as readable
from pg_attribute a cross join unnest(array['anon', 'authenticated']) as r (name)
where a.attrelid = 'public.profiles'::regclass and a.attnum > 0 and not a.attisdropped
order by r.name, a.attnum
"""


async def _hide_private_columns(connection: asyncpg.Connection, _: Adoption) -> None:
    """A right on the whole table becomes one on each column that is nobody's secret."""
    kept: dict[str, list[str]] = {}
    for row in await connection.fetch(_COLUMNS):
        if row["readable"] and not (is_private(row["column"]) or is_credential(row["column"])):
            kept.setdefault(row["role"], []).append(row["quoted"])
    await connection.execute("revoke select on public.profiles from public, anon, authenticated")
    for role, columns in kept.items():
        await connection.execute(f"grant select ({', '.join(columns)}) on public.profiles to {role}")


RETIREMENT = (
    Step(
        "legacy.private_columns",
        "takes private columns of public.profiles from clients: they read the others by name, `select *` is refused",
        _hide_private_columns,
    ),
    *MONEY_RETIREMENT,
)
"""In this order, once no build in use needs what they take away."""
