"""The whole examination, in the order in which one trouble explains the next."""

from collections.abc import Sequence

import asyncpg

from infrastructure.doctor.catalogue import check_catalogue
from infrastructure.doctor.clients import check_clients
from infrastructure.doctor.connection import (
    check_clock,
    check_encryption,
    check_level,
    check_pooler,
    check_role,
)
from infrastructure.doctor.drift import check_drift
from infrastructure.doctor.findings import Finding, error
from infrastructure.doctor.openings import check_cascades, check_functions, check_views
from infrastructure.doctor.realtime import check_realtime
from infrastructure.doctor.supabase import check_signing_keys
from infrastructure.postgres.engine import create_engine, driver_options, driver_url
from infrastructure.settings import Settings


async def examine(settings: Settings, migration_url: str | None) -> Sequence[Finding]:
    """All that is wrong with the deployment that *settings* describe; nothing is changed by looking.

    Clients' ways in are tried through *migration_url*, if there is one.
    """
    database = await _examine_database(settings, migration_url)
    return [*database, *await check_signing_keys(settings), *await check_realtime(settings)]


async def _examine_database(settings: Settings, migration_url: str | None) -> Sequence[Finding]:
    url, pooler = settings.database_url.get_secret_value(), settings.lingualink_database_pooler
    try:
        findings = [*await check_encryption(url), *await check_pooler(url, pooler)]
        connection = await asyncpg.connect(
            driver_url(url), **(driver_options(url, pooler) | {"statement_cache_size": 0})
        )
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as failure:
        return [
            error(
                "database_unreachable",
                f"DATABASE_URL does not connect ({type(failure).__name__})",
                "check its host, port, user and password; behind Supabase's pooler the user is lingualink_api.<ref>",
            )
        ]
    try:
        findings += await check_clock(connection)
        findings += await check_role(connection)
        level = await check_level(connection)
        if level:  # what follows would name every object that a migration has yet to make
            return [*findings, *level]
        for check in (check_catalogue, check_functions, check_views, check_cascades):
            findings += await check(connection)
    finally:
        await connection.close()
    return [*findings, *await _check_drift(settings), *await check_clients(migration_url)]


async def _check_drift(settings: Settings) -> Sequence[Finding]:
    engine = create_engine(settings.database_url.get_secret_value(), settings.lingualink_database_pooler)
    try:
        return await check_drift(engine)
    finally:
        await engine.dispose()
