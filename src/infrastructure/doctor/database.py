"""The database that the service would use: where its address leads, who it is there, how old and how well it is."""

import re
from datetime import UTC, datetime
from typing import Final

import asyncpg

from infrastructure.doctor.catalogue import SERVICE, expected
from infrastructure.doctor.findings import Findings, error, warning
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import PoolerMode, find_pooler
from infrastructure.postgres.migrations import head_level
from infrastructure.postgres.ownership import OUR_TABLES

SKEW_NOTED_S: Final = 2.0
SKEW_HARMFUL_S: Final = 30.0
WAITS_TOO_LONG_S: Final = 60.0
NEARLY_USED_UP: Final = 0.8
LONGEST_TIMEOUT_MS: Final = 60_000.0
LARGE_BYTES: Final = 50 * 1024**3

_POWERS = """
select r.rolname as name, array_remove(array[
         case when rolsuper then 'superuser' end, case when rolbypassrls then 'bypassrls' end,
         case when rolcreaterole then 'createrole' end, case when rolcreatedb then 'createdb' end,
         case when rolreplication then 'replication' end
       ], null) || array(
         select 'member of ' || g.rolname from pg_auth_members m join pg_roles g on g.oid = m.roleid
         where m.member = r.oid order by 1
       ) || array(select 'owner of our tables' from pg_class c where c.oid = to_regclass('public.wallets')
                  and c.relowner = r.oid) as powers
from pg_roles r where rolname = current_user
"""
_READ_ONLY = """
select case when pg_is_in_recovery() then 'is a replica'
            when current_setting('default_transaction_read_only') = 'on'
            then 'is read-only (default_transaction_read_only)' end
"""
_SESSIONS = """
select 'database' as whose, (select sum(numbackends)::int from pg_stat_database) as used,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as allowed
union all
select 'service''s role', (select count(*)::int from pg_stat_activity where usename = current_user), rolconnlimit
from pg_roles where rolname = current_user
"""
# Counted no further than matters: the doctor must not read a million rows to say that there are many.
_RELAY = """
select l.expires_at > clock_timestamp() as led, o.pending, o.oldest, d.dead_lettered
from private.relay_lease l,
  (select count(*) as pending, extract(epoch from clock_timestamp() - min(created_at))::float as oldest
   from (select created_at from private.realtime_outbox
         where delivered_at is null and dead_lettered_at is null order by id limit 10000) p) o,
  (select count(*) as dead_lettered
   from (select from private.realtime_outbox
         where dead_lettered_at is not null and dropped_at is null limit 10000) l) d
"""
_ROLE_SETTINGS = """
select split_part(setting, '=', 1) as name, substr(setting, strpos(setting, '=') + 1) as value,
       coalesce(' in database "' || d.datname || '"', '') as place
from pg_db_role_setting s join pg_roles r on r.oid = s.setrole
left join pg_database d on d.oid = s.setdatabase, unnest(s.setconfig) setting
where r.rolname = 'lingualink_api' and (d.datname is null or d.datname = current_database())
order by 1, 3
"""
_SIZES = """
select n.nspname || '.' || c.relname as name, pg_total_relation_size(c.oid) as bytes
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname || '.' || c.relname = any ($1::text[]) and pg_total_relation_size(c.oid) > $2
order by 1
"""
_MILLISECONDS: Final = {"us": 0.001, "ms": 1.0, "s": 1e3, "min": 6e4, "h": 3.6e6, "d": 8.64e7, "": 1.0}


async def check_encryption(address: DatabaseAddress) -> Findings:
    """Find an address on another machine that encrypts without knowing for whom, and parameters without effect."""
    if address.sslmode == "require" and not address.is_local and not (address.ca or address.sslrootcert):
        yield warning(
            "tls_not_verified",
            "DATABASE_URL says sslmode=require: whoever answers is believed to be the database",
            "leave sslmode out (verify-full); set DATABASE_CA if the certificate is not of Supabase's CA",
        )
    if address.ignored:
        yield warning(
            "parameters_ignored",
            f"DATABASE_URL has parameters that have no effect here: {', '.join(address.ignored)}",
            "leave them out",
        )


async def check_pooler(address: DatabaseAddress) -> Findings:
    """Find a pooler that the service was not told of, or told wrongly."""
    is_there = await find_pooler(address) is PoolerMode.TRANSACTION
    if is_there and not address.transaction_pooler:
        yield error(
            "pooler_not_declared",
            "DATABASE_URL goes through a transaction-mode pooler, where prepared statements get lost",
            "set LINGUALINK_DATABASE_POOLER=transaction",
        )
    if address.transaction_pooler and not is_there:
        yield warning(
            "pooler_not_needed",
            "the service does without statement caches and LISTEN, but no transaction-mode pooler was found",
            "set LINGUALINK_DATABASE_POOLER=none",
        )


async def check_clock(connection: asyncpg.Connection) -> Findings:
    """Find a clock of this machine that differs from the database's."""
    before = datetime.now(UTC)
    theirs: datetime = await connection.fetchval("select clock_timestamp()")
    ours = before + (datetime.now(UTC) - before) / 2
    skew = abs((theirs - ours).total_seconds())
    if skew >= SKEW_NOTED_S:
        yield (error if skew >= SKEW_HARMFUL_S else warning)(
            "clock_skew",
            f"this machine's clock and the database's differ by {skew:.0f} s, which decides when tokens expire",
            "let this machine follow a time server",
        )


async def check_role(connection: asyncpg.Connection) -> Findings:
    """Find a role of the service that could do more than the service does."""
    [role] = await connection.fetch(_POWERS)
    if role["powers"]:
        yield warning(
            "role_too_powerful",
            f"the service logs in as {role['name']}, which is {', '.join(role['powers'])}",
            "log in as lingualink_api (docs/database.md)",
        )


async def check_read_only(connection: asyncpg.Connection) -> Findings:
    """Find a database that takes no writes: a replica, or one that Supabase made read-only because its disk is full."""
    if what := await connection.fetchval(_READ_ONLY):
        yield error(
            "database_read_only",
            f"the database {what}: nothing can be paid, decided or delivered",
            "connect to the primary; if its disk is full, enlarge it in Supabase's dashboard",
        )


async def check_sessions(connection: asyncpg.Connection) -> Findings:
    """Find connections that are nearly used up, of the database or of the service's role."""
    for whose, used, allowed in await connection.fetch(_SESSIONS):
        if allowed > 0 and used >= NEARLY_USED_UP * allowed:
            yield warning(
                "connections_scarce",
                f"{used} of the {allowed} connections that the {whose} may have are in use",
                "lower LINGUALINK_POOL_SIZE or the number of replicas, or use the transaction-mode pooler",
            )


async def check_level(connection: asyncpg.Connection) -> Findings:
    """Find migrations that are missing, or a database that is ahead of this code."""
    head, level = head_level(), 0
    try:
        level = int(await connection.fetchval("select level from private.schema_level") or 0)
    except asyncpg.InsufficientPrivilegeError:
        yield error(
            "schema_not_readable",
            "the service's role has no rights on our tables",
            "log in as lingualink_api (docs/database.md); if it does, run `lingualink migrate`",
        )
        return
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError):
        if await connection.fetchval("select to_regclass('public.profiles') is not null"):
            yield error(
                "not_adopted",
                "the database has the app's tables, and they were not taken over",
                "see docs/adoption.md; begin with `lingualink adopt --report`",
            )
            return
    if level < head:
        yield error(
            "migrations_missing",
            f"the schema is at level {level}, this code comes with level {head}",
            "run `lingualink migrate`",
        )
    if level > head:
        yield warning(
            "database_is_newer",
            f"the schema is at level {level}, this code knows level {head}; what is newer was not checked",
            "run the doctor of the release that migrated",
        )


async def check_relay(connection: asyncpg.Connection) -> Findings:
    """Find events that wait with nobody to send them, that wait too long, or that were set aside."""
    row = await connection.fetchrow(_RELAY)
    if row is None:
        yield error("missing", "the row of private.relay_lease is missing", "run `lingualink migrate`")
    elif row["pending"] and not row["led"]:
        yield error(
            "nobody_relays",
            f"{row['pending']} events wait (the oldest for {row['oldest']:.0f} s), and no relay holds the lease",
            "run `lingualink relay`, or `lingualink serve` with LINGUALINK_RELAY=inline",
        )
    elif row["pending"] and row["oldest"] > WAITS_TOO_LONG_S:
        yield error(
            "events_wait",
            f"{row['pending']} events wait, the oldest for {row['oldest']:.0f} s",
            "look at the relay's log, and at Realtime's status (docs/operations.md, Relay backlog)",
        )
    if row is not None and row["dead_lettered"]:
        yield warning(
            "events_set_aside",
            f"{row['dead_lettered']} events could not be delivered and were set aside",
            "`lingualink outbox list` says why; then `lingualink outbox retry`, or `drop`",
        )


async def check_role_settings(connection: asyncpg.Connection) -> Findings:
    """Find settings of the service's role that nobody but an operator should have made.

    Whoever has the role's password can change them; a timeout between nothing and a minute is an operator's to choose.
    """
    for name, value, place in await connection.fetch(_ROLE_SETTINGS):
        made = expected().items.get(f"{name} of {SERVICE}")
        if made is None:
            yield warning(
                "role_setting_foreign",
                f"{SERVICE} has the setting {name}{place}, which is not ours",
                f"run `alter role {SERVICE}{place} reset {name}` as postgres, and give the role a new password",
            )
        elif not 0 < _milliseconds(value) <= LONGEST_TIMEOUT_MS:
            yield error(
                "role_setting_changed",
                f"{name} of {SERVICE} was set to {value}{place}: one statement could hold the others up for ever",
                f"run `{made}` as postgres; if no operator did it, give the role a new password",
            )


def _milliseconds(value: str) -> float:
    shape = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", value)
    return float(shape.group(1)) * _MILLISECONDS.get(shape.group(2), 0) if shape else 0.0


async def check_sizes(connection: asyncpg.Connection, large: int = LARGE_BYTES) -> Findings:
    """Find tables of ours that have grown so large that their growth wants a plan."""
    for name, size in await connection.fetch(_SIZES, OUR_TABLES, large):
        yield warning(
            "table_large",
            f"{name} takes {size / 1024**3:.1f} GB with its indexes",
            "see what grows and what can be done about it in docs/operations.md",
        )
