"""``lingualink doctor`` and ``restored``: what is wrong with a deployment, and what a restore left to do.

Checks stand in the order in which one trouble explains the next. Each finding is told as soon as it is made.
"""

import os
from collections.abc import AsyncIterator, Callable
from typing import Final, TypeVar

import asyncpg
import click
import msgspec

from infrastructure.adoption.checks import (
    check_adoption,
    check_frozen,
    check_guards,
    check_mirrors,
    check_old_money,
    check_private_columns,
    read_guards,
)
from infrastructure.adoption.clients import check_old_tables
from infrastructure.doctor.app import check_app_columns, check_cascades, check_functions, check_views
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
from infrastructure.doctor.findings import Finding, Findings, Severity, error
from infrastructure.doctor.restoring import repair
from infrastructure.doctor.supabase import check_issuer, check_realtime, check_signing_keys
from infrastructure.logging import configure_logging
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import connect
from infrastructure.postgres.errors import diagnose
from infrastructure.postgres.ledger import unlimited
from infrastructure.redaction import redact
from infrastructure.settings import MigrationSettings, Settings, SettingsError

T = TypeVar("T")

ON_CONNECTION: Final = (check_clock, check_role, check_read_only, check_sessions)
AT_HEAD: Final = (
    *(check_catalogue, check_role_settings, check_functions, check_views, check_cascades),
    *(check_app_columns, check_relay, check_sizes),
    *(check_adoption, check_private_columns, check_guards, check_mirrors, check_frozen),
)
HEALTHY: Final = "OK: nothing to do."


async def report(*, as_json: bool) -> bool:
    """Print one line a finding, or one JSON object at the end; whether something must be done."""
    findings = []
    async for finding in _findings():
        findings.append(finding)
        if not as_json:
            click.echo(redact(str(finding)))
    must_act = any(finding.severity is Severity.ERROR for finding in findings)
    if as_json:
        click.echo(redact(msgspec.json.encode({"healthy": not must_act, "findings": findings}).decode()))
    elif all(finding.severity is Severity.NOTE for finding in findings):
        click.echo(HEALTHY)
    return must_act


async def _findings() -> AsyncIterator[Finding]:
    problems: list[str] = []
    settings = migrator = None
    try:
        settings = Settings.load()
    except SettingsError as refused:
        problems += refused.problems
    try:
        migrator = MigrationSettings.load().database if os.environ.get("MIGRATION_DATABASE_URL") else None
    except SettingsError as refused:
        problems += [problem for problem in refused.problems if problem not in problems]
    for problem in problems:
        yield error("configuration", problem, "set it; .env.example says how")
    if settings is None or problems:
        return
    configure_logging(settings, of_command=True)
    async for finding in run_checks(settings, migrator):
        yield finding


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
        async for finding in _each(connection, check_old_money, check_clients, check_old_tables):
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


async def restored(database: DatabaseAddress) -> list[str]:
    """Repair a database that was restored to an earlier time; what was done, and what is left to do.

    Raises:
        Unavailable: the database does not answer.
    """
    async with unlimited(database) as connection:
        done = await repair(connection, await read_guards(connection))
    lines = [f"The epoch is {done.epoch} now: clients take what they read for the newest."]
    lines += [f"Made again: {name}." for name in done.repaired]
    if done.made_role:
        lines.append("To do: give lingualink_api its password again (docs/database.md).")
    until = "nothing" if done.newest is None else f"{done.newest:%Y-%m-%dT%H:%M:%SZ}"
    return [
        *lines,
        f"The newest transaction is of {until}: what was promised after it has to be done again.",
        f"To do: compare the bank's payments with the {done.held} withdrawals that are held, before settling any.",
        (
            f"To do: hold the ledger against the seals that were kept (the newest here is {done.last_seal or 'none'}): "
            "`lingualink doctor --ledger --seals FILE`."
        ),
        f"The relay will deliver {done.owed} events that were not delivered then, some for the second time.",
        "To do: `lingualink doctor`, then `lingualink serve`.",
    ]
