"""How the deployment does at this moment: who relays, what waits, what is nearly used up, what the role was set to."""

import re
from collections.abc import Sequence
from typing import Final

import asyncpg

from infrastructure.doctor.catalogue import SERVICE, expected
from infrastructure.doctor.findings import Finding, error, warning
from infrastructure.postgres.ownership import OUR_TABLES
from infrastructure.postgres.tables import Base

WAITS_TOO_LONG_S: Final = 60.0
NEARLY_USED_UP: Final = 0.8
LONGEST_TIMEOUT_MS: Final = 60_000.0
LARGE_BYTES: Final = 50 * 1024**3

_READ_ONLY = """
select pg_is_in_recovery() as replica, current_setting('default_transaction_read_only') = 'on' as read_only
"""
_SESSIONS = """
select (select sum(numbackends)::int from pg_stat_database) as used,
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as allowed,
       (select rolconnlimit from pg_roles where rolname = current_user) as of_role,
       (select count(*)::int from pg_stat_activity where usename = current_user) as by_role
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
       coalesce(d.datname, '') as database
from pg_db_role_setting s join pg_roles r on r.oid = s.setrole
left join pg_database d on d.oid = s.setdatabase, unnest(s.setconfig) setting
where r.rolname = 'lingualink_api' and (d.datname is null or d.datname = current_database())
order by 1, 3
"""
_REQUIRED = """
select attname from pg_attribute
where attrelid = 'public.profiles'::regclass and attnum > 0 and not attisdropped and attnotnull
  and not atthasdef and attidentity = '' and attgenerated = '' and attname <> all ($1::text[])
order by attnum
"""
_SIZES = """
select n.nspname || '.' || c.relname as name, pg_total_relation_size(c.oid) as bytes
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname || '.' || c.relname = any ($1::text[]) and pg_total_relation_size(c.oid) > $2
order by 1
"""
_MILLISECONDS: Final = {"us": 0.001, "ms": 1.0, "s": 1e3, "min": 6e4, "h": 3.6e6, "d": 8.64e7, "": 1.0}


async def check_read_only(connection: asyncpg.Connection) -> Sequence[Finding]:
    """Find a database that takes no writes: a replica, or one that Supabase made read-only because its disk is full."""
    [row] = await connection.fetch(_READ_ONLY)
    if not (row["replica"] or row["read_only"]):
        return []
    what = "is a replica" if row["replica"] else "is read-only (default_transaction_read_only)"
    return [
        error(
            "database_read_only",
            f"the database {what}: nothing can be paid, decided or delivered",
            "connect to the primary; if its disk is full, enlarge it in Supabase's dashboard",
        )
    ]


async def check_sessions(connection: asyncpg.Connection) -> Sequence[Finding]:
    """Find connections that are nearly used up, of the database or of the service's role."""
    [row] = await connection.fetch(_SESSIONS)
    limits = [("database", row["used"], row["allowed"]), ("service's role", row["by_role"], row["of_role"])]
    return [
        warning(
            "connections_scarce",
            f"{used} of the {allowed} connections that the {whose} may have are in use",
            "lower LINGUALINK_POOL_SIZE or the number of replicas, or use the transaction-mode pooler",
        )
        for whose, used, allowed in limits
        if allowed > 0 and used >= NEARLY_USED_UP * allowed
    ]


async def check_relay(connection: asyncpg.Connection) -> Sequence[Finding]:
    """Find events that wait with nobody to send them, that wait too long, or that were set aside."""
    row = await connection.fetchrow(_RELAY)
    if row is None:
        return [error("missing", "the row of private.relay_lease is missing", "run `lingualink migrate`")]
    findings = []
    if row["pending"] and not row["led"]:
        findings.append(
            error(
                "nobody_relays",
                f"{row['pending']} events wait (the oldest for {row['oldest']:.0f} s), and no relay holds the lease",
                "run `lingualink relay`, or `lingualink serve` with LINGUALINK_RELAY=inline",
            )
        )
    elif row["pending"] and row["oldest"] > WAITS_TOO_LONG_S:
        findings.append(
            error(
                "events_wait",
                f"{row['pending']} events wait, the oldest for {row['oldest']:.0f} s",
                "look at the relay's log, and at Realtime's status (docs/operations.md, Relay backlog)",
            )
        )
    if row["dead_lettered"]:
        findings.append(
            warning(
                "events_set_aside",
                f"{row['dead_lettered']} events could not be delivered and were set aside",
                "`lingualink outbox list` says why; then `lingualink outbox retry`, or `drop`",
            )
        )
    return findings


async def check_role_settings(connection: asyncpg.Connection) -> Sequence[Finding]:
    """Find settings of the service's role that nobody but an operator should have made.

    Whoever has the role's password can change them; a timeout between nothing and a minute is an operator's to choose.
    """
    ours = {
        name.removesuffix(f" of {SERVICE}") for name in expected().items if name.endswith(f" of {SERVICE}")
    }
    return [
        finding
        for row in await connection.fetch(_ROLE_SETTINGS)
        if (finding := _judge(row["name"], row["value"], row["database"], ours))
    ]


def _judge(name: str, value: str, database: str, ours: set[str]) -> Finding | None:
    where = f' in database "{database}"' if database else ""
    reset = f"run `alter role {SERVICE}{where} reset {name}` as postgres, and give the role a new password"
    if name not in ours:
        return warning(
            "role_setting_foreign", f"{SERVICE} has the setting {name}{where}, which is not ours", reset
        )
    if 0 < _milliseconds(value) <= LONGEST_TIMEOUT_MS:
        return None
    made = expected().items[f"{name} of {SERVICE}"]
    return error(
        "role_setting_changed",
        f"{name} of {SERVICE} was set to {value}{where}: one statement could hold the others up for ever",
        f"run `{made}` as postgres; if no operator did it, give the role a new password",
    )


def _milliseconds(value: str) -> float:
    shape = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", value)
    return float(shape.group(1)) * _MILLISECONDS.get(shape.group(2), 0) if shape else 0.0


async def check_app_columns(connection: asyncpg.Connection) -> Sequence[Finding]:
    """Find columns of the app's own on ``profiles`` without which no new person can have an account."""
    own = [column.name for column in Base.metadata.tables["profiles"].columns]
    rows = await connection.fetch(_REQUIRED, own)
    return [
        error(
            "profile_column_required",
            f"profiles.{row['attname']} is NOT NULL and has no default: no account can be made for who is new",
            f'run `alter table public.profiles alter column "{row["attname"]}" drop not null`, or give it a default',
        )
        for row in rows
    ]


async def check_sizes(connection: asyncpg.Connection, large: int = LARGE_BYTES) -> Sequence[Finding]:
    """Find tables of ours that have grown so large that their growth wants a plan."""
    return [
        warning(
            "table_large",
            f"{row['name']} takes {row['bytes'] / 1024**3:.1f} GB with its indexes",
            "see what grows and what can be done about it in docs/operations.md",
        )
        for row in await connection.fetch(_SIZES, OUR_TABLES, large)
    ]
