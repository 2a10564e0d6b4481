"""All checks, in the order in which one trouble explains the next. Each finding is told as soon as it is made."""

from collections.abc import Callable
from typing import Final, TypeVar

import asyncpg

from infrastructure.doctor.app import (
    check_adoption,
    check_app_columns,
    check_cascades,
    check_frozen,
    check_functions,
    check_guards,
    check_old_money,
    check_private_columns,
    check_views,
)
from infrastructure.doctor.catalogue import check_catalogue, check_drift
from infrastructure.doctor.clients import check_clients, not_probed
from infrastructure.doctor.database import (
    check_clock,
    check_encryption,
    check_level,
    check_pooler,
    check_read_only,
    check_relay,
    check_role,
    check_role_settings,
    check_sessions,
    check_sizes,
)
from infrastructure.doctor.findings import Findings, error
from infrastructure.doctor.supabase import check_issuer, check_realtime, check_signing_keys
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import connect
from infrastructure.postgres.errors import diagnose
from infrastructure.settings import Settings

T = TypeVar("T")

ON_CONNECTION: Final = (check_clock, check_role, check_read_only, check_sessions)
AT_HEAD: Final = (
    *(check_catalogue, check_role_settings, check_functions, check_views, check_cascades),
    *(check_app_columns, check_relay, check_sizes),
    *(check_adoption, check_private_columns, check_guards, check_frozen),
)


async def run_checks(settings: Settings, migrator: DatabaseAddress | None) -> Findings:
    """All that is wrong with the deployment that *settings* describe; nothing is changed by looking.

    Clients' ways in are tried through *migrator*, if there is one. A check that fails is a finding of its own, and
    the others still run.
    """
    database = settings.database
    async for finding in _each(database, check_encryption):
        yield finding
    try:
        connection = await connect(database, statement_cache_size=0)
    except Exception as failure:
        why, fix = _explain(failure, "check its host, port, user and password")
        yield error("database_unreachable", f"DATABASE_URL does not connect: {why}", fix)
    else:
        try:
            async for finding in _check_database(connection, database, migrator):
                yield finding
        finally:
            await connection.close(timeout=1)
    async for finding in _each(settings, check_signing_keys, check_issuer, check_realtime):
        yield finding


async def _check_database(
    connection: asyncpg.Connection, database: DatabaseAddress, migrator: DatabaseAddress | None
) -> Findings:
    async for finding in _each(database, check_pooler):
        yield finding
    async for finding in _each(connection, *ON_CONNECTION):
        yield finding
    is_at_head = True
    async for finding in _each(connection, check_level):
        is_at_head = False
        yield finding
    if not is_at_head:
        return  # what follows would name every object that a migration has yet to make
    async for finding in _each(connection, *AT_HEAD):
        yield finding
    async for finding in _each(database, check_drift):
        yield finding
    async for finding in _check_as_owner(migrator):
        yield finding


async def _check_as_owner(migrator: DatabaseAddress | None) -> Findings:
    if migrator is None:
        yield not_probed("MIGRATION_DATABASE_URL is not set", "set it for this command")
        return
    try:
        connection = await connect(migrator)
    except Exception as failure:
        why, fix = _explain(failure, "correct it", "MIGRATION_DATABASE_URL")
        yield not_probed(f"MIGRATION_DATABASE_URL does not connect: {why}", fix)
        return
    try:
        async for finding in _each(connection, check_old_money, check_clients):
            yield finding
    finally:
        await connection.close()


async def _each(subject: T, *checks: Callable[[T], Findings]) -> Findings:
    """What *checks* find in *subject*, one after the other, and which of them could not look."""
    for check in checks:
        try:
            async for finding in check(subject):
                yield finding
        except Exception as failure:
            why, fix = _explain(failure, "run the doctor again; if it fails again, report the check's name")
            yield error("check_failed", f"{check.__name__} could not look: {why}", fix)


def _explain(failure: Exception, otherwise: str, variable: str = "DATABASE_URL") -> tuple[str, str]:
    """Why it failed, and what to do about it: *otherwise* where the cause is not known."""
    known = diagnose(failure, variable)
    return (known.cause, known.remedy) if known else (type(failure).__name__, otherwise)
