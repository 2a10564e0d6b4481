"""All checks, in the order in which one trouble explains the next. Each finding is told as soon as it is made."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final, Protocol, TypeVar

import asyncpg

from infrastructure.doctor.adoption import (
    check_adoption,
    check_frozen,
    check_guards,
    check_old_money,
    check_private_columns,
)
from infrastructure.doctor.catalogue import check_catalogue, check_drift
from infrastructure.doctor.clients import check_clients
from infrastructure.doctor.connection import (
    check_clock,
    check_encryption,
    check_level,
    check_pooler,
    check_role,
)
from infrastructure.doctor.findings import Finding, error
from infrastructure.doctor.operation import (
    check_app_columns,
    check_read_only,
    check_relay,
    check_role_settings,
    check_sessions,
    check_sizes,
)
from infrastructure.doctor.rls_bypasses import check_cascades, check_functions, check_views
from infrastructure.doctor.supabase import check_issuer, check_realtime, check_signing_keys
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import connect, create_engine
from infrastructure.postgres.errors import diagnose
from infrastructure.settings import Settings

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Check(Protocol[T_contra]):
    """One function that looks at one thing."""

    __name__: str

    async def __call__(self, subject: T_contra, /) -> Sequence[Finding]:
        """What is not as it should be."""
        ...


ON_CONNECTION: Final = (check_clock, check_role, check_read_only, check_sessions)
AT_HEAD: Final = (
    *(check_catalogue, check_role_settings, check_functions, check_views, check_cascades),
    *(check_app_columns, check_relay, check_sizes),
    *(check_adoption, check_private_columns, check_guards, check_frozen),
)


async def run_checks(settings: Settings, migrator: DatabaseAddress | None) -> AsyncIterator[Finding]:
    """All that is wrong with the deployment that *settings* describe; nothing is changed by looking.

    Clients' ways in are tried through *migrator*, if there is one. A check that fails is a finding of its own, and
    the others still run.
    """
    async for finding in _check_database(settings.database, migrator):
        yield finding
    async for finding in _each((check_signing_keys, check_issuer, check_realtime), settings):
        yield finding


async def _check_database(
    database: DatabaseAddress, migrator: DatabaseAddress | None
) -> AsyncIterator[Finding]:
    async for finding in _each([check_encryption], database):
        yield finding
    try:
        connection = await connect(database, statement_cache_size=0)
    except Exception as failure:
        yield _unreachable(failure)
        return
    try:
        async for finding in _each([check_pooler], database):
            yield finding
        async for finding in _each(ON_CONNECTION, connection):
            yield finding
        level = await _attempt(check_level, connection)
        async for finding in _listed(level) if level else _check_content(connection, database, migrator):
            yield finding
    finally:
        await connection.close(timeout=1)


async def _check_content(
    connection: asyncpg.Connection, database: DatabaseAddress, migrator: DatabaseAddress | None
) -> AsyncIterator[Finding]:
    """What would name every object that a migration has yet to make, were they not all done."""
    async for finding in _each(AT_HEAD, connection):
        yield finding
    async for finding in _each([_check_drift], database):
        yield finding
    async for finding in _each([check_old_money, check_clients], migrator):
        yield finding


async def _listed(findings: Sequence[Finding]) -> AsyncIterator[Finding]:
    for finding in findings:
        yield finding


async def _each(checks: Iterable[Check[T]], subject: T) -> AsyncIterator[Finding]:
    for check in checks:
        for finding in await _attempt(check, subject):
            yield finding


async def _attempt(check: Check[T], subject: T) -> Sequence[Finding]:
    """What *check* finds, or that it could not look."""
    try:
        return await check(subject)
    except Exception as failure:
        known = diagnose(failure)
        return [
            error(
                "check_failed",
                f"{check.__name__} could not look: {known.cause if known else type(failure).__name__}",
                known.remedy if known else "run the doctor again; if it fails again, report the check's name",
            )
        ]


def _unreachable(failure: Exception) -> Finding:
    known = diagnose(failure)
    return error(
        "database_unreachable",
        f"DATABASE_URL does not connect: {known.cause if known else type(failure).__name__}",
        known.remedy if known else "check its host, port, user and password",
    )


async def _check_drift(database: DatabaseAddress) -> Sequence[Finding]:
    engine = create_engine(database)
    try:
        return await check_drift(engine)
    finally:
        await engine.dispose()
