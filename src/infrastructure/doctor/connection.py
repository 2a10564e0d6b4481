"""The connection that the service would use: where it leads, who it is there, and how old the schema is."""

from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg

from infrastructure.doctor.findings import Finding, error, warning
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import PoolerMode, find_pooler
from infrastructure.postgres.migrations import head_level

SKEW_NOTED_S = 2.0
SKEW_HARMFUL_S = 30.0

_ROLE = """
select current_user as name, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication,
       coalesce(
         (select array_agg(g.rolname::text order by 1) from pg_auth_members m join pg_roles g on g.oid = m.roleid
          where m.member = r.oid), '{}'
       ) as member_of,
       exists (
         select from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname || '.' || c.relname = 'public.wallets' and c.relowner = r.oid
       ) as owner
from pg_roles r where rolname = current_user
"""
_POWERS = {
    "rolsuper": "superuser",
    "rolbypassrls": "bypassrls",
    "rolcreaterole": "createrole",
    "rolcreatedb": "createdb",
    "rolreplication": "replication",
}


async def check_pooler(address: DatabaseAddress) -> Sequence[Finding]:
    """Find a pooler that the service was not told of, or told wrongly."""
    found = await find_pooler(address)
    told = address.transaction_pooler
    if found is PoolerMode.TRANSACTION and not told:
        return [
            error(
                "pooler_not_declared",
                "DATABASE_URL goes through a transaction-mode pooler, where prepared statements get lost",
                "set LINGUALINK_DATABASE_POOLER=transaction",
            )
        ]
    if found is not PoolerMode.TRANSACTION and told:
        return [
            warning(
                "pooler_not_needed",
                "the service does without statement caches and LISTEN, but no transaction-mode pooler was found",
                "set LINGUALINK_DATABASE_POOLER=none",
            )
        ]
    return []


async def check_encryption(address: DatabaseAddress) -> Sequence[Finding]:
    """Find an address on another machine that encrypts without knowing for whom, and parameters without effect."""
    findings = []
    if address.sslmode == "require" and not address.is_local and not (address.ca or address.sslrootcert):
        findings.append(
            warning(
                "tls_not_verified",
                "DATABASE_URL says sslmode=require: whoever answers is believed to be the database",
                "leave sslmode out (verify-full); set DATABASE_CA if the certificate is not of Supabase's CA",
            )
        )
    if address.ignored:
        findings.append(
            warning(
                "parameters_ignored",
                f"DATABASE_URL has parameters that have no effect here: {', '.join(address.ignored)}",
                "leave them out",
            )
        )
    return findings


async def check_clock(connection: asyncpg.Connection) -> Sequence[Finding]:
    """Find a clock of this machine that differs from the database's."""
    before = datetime.now(UTC)
    theirs: datetime = await connection.fetchval("select clock_timestamp()")
    after = datetime.now(UTC)
    ours = before + (after - before) / 2
    skew = abs((theirs - ours).total_seconds())
    if skew < SKEW_NOTED_S:
        return []
    kind = error if skew >= SKEW_HARMFUL_S else warning
    return [
        kind(
            "clock_skew",
            f"this machine's clock and the database's differ by {skew:.0f} s, which decides when tokens expire",
            "let this machine follow a time server",
        )
    ]


async def check_role(connection: asyncpg.Connection) -> Sequence[Finding]:
    """Find a role of the service that could do more than the service does."""
    role = await connection.fetchrow(_ROLE)
    if role is None:
        return []
    powers = [power for column, power in _POWERS.items() if role[column]]
    powers += [f"member of {name}" for name in role["member_of"]]
    powers += ["owner of our tables"] if role["owner"] else []
    if not powers:
        return []
    return [
        warning(
            "role_too_powerful",
            f"the service logs in as {role['name']}, which is {', '.join(powers)}",
            "log in as lingualink_api (docs/database.md)",
        )
    ]


async def check_level(connection: asyncpg.Connection) -> Sequence[Finding]:
    """Find migrations that are missing, or a database that is ahead of this code."""
    head = head_level()
    try:
        level = int(await connection.fetchval("select level from private.schema_level") or 0)
    except asyncpg.InsufficientPrivilegeError:
        return [
            error(
                "schema_not_readable",
                "the service's role has no rights on our tables",
                "log in as lingualink_api (docs/database.md); if it does, run `lingualink migrate`",
            )
        ]
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        if await connection.fetchval("select to_regclass('public.profiles') is not null"):
            return [
                error(
                    "not_adopted",
                    "the database has the app's tables, and they were not taken over",
                    "see docs/adoption.md; begin with `lingualink adopt --report`",
                )
            ]
        level = 0
    if level < head:
        return [
            error(
                "migrations_missing",
                f"the schema is at level {level}, this code comes with level {head}",
                "run `lingualink migrate`",
            )
        ]
    if level > head:
        return [
            warning(
                "database_is_newer",
                f"the schema is at level {level}, this code knows level {head}; what is newer was not checked",
                "run the doctor of the release that migrated",
            )
        ]
    return []
