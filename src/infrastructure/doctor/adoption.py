"""What is left to do on a database that had the app's tables first, and what clients read there that is private."""

import re
from collections.abc import Sequence
from typing import Final

import asyncpg

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
_CREDENTIAL: Final = re.compile(r"(^|_)(password|passwd|secret|token|api_key|otp|pin)(_|$)|_hash$")
_PRIVATE: Final = re.compile(
    r"^(email|phone.*|balance|pending_balance|total_earned|bank_.*|account_.*|date_of_birth|address|ban_reason"
    r"|referred_by_id|push_.*|expo_.*|device_.*)$"
)


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
        if _CREDENTIAL.search(name) and not _is_push_address(name):
            findings.append(
                error("credential_readable", f"{roles} may read profiles.{name} of everybody", fix)
            )
        elif _PRIVATE.match(name):
            findings.append(
                warning("private_readable", f"{roles} may read profiles.{name} of everybody", fix)
            )
    return findings


def _is_push_address(name: str) -> bool:
    """What Expo calls a token: an address, which opens no account."""
    return name.startswith(("expo_", "push_", "device_"))
