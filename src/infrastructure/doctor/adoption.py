"""What is left to do on a database that had the app's tables first, and what clients read there that is private."""

from collections.abc import Sequence

import asyncpg

from infrastructure.adoption.legacy import is_credential, is_private
from infrastructure.doctor.findings import Finding, error, warning

_UNFINISHED = "select begun_at from private.adoption where adopted_at is null"
# Columns of the app's, by whoever of the clients may read them.
_READABLE = """
select a.attname::text as name, string_agg(r.name, ' and ' order by r.name) as roles
from pg_attribute a cross join unnest(array['anon', 'authenticated']) as r (name)
where a.attrelid = 'public.profiles'::regclass and a.attnum > 0 and not a.attisdropped
  and has_column_privilege(r.name, a.attrelid, a.attnum, 'select')
group by a.attnum, a.attname order by a.attnum
"""


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
