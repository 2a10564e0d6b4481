"""``lingualink doctor`` and ``restored``: what is wrong with a deployment, and what a restore left to do."""

import os
from collections.abc import AsyncIterator

import click
import msgspec

from infrastructure.doctor.findings import Finding, Severity, error
from infrastructure.doctor.restoring import repair
from infrastructure.doctor.run_checks import run_checks
from infrastructure.logging import configure_logging
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.ledger import unlimited
from infrastructure.redaction import redact
from infrastructure.settings import MigrationSettings, Settings, SettingsError

HEALTHY = "OK: nothing to do."


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


async def restored(database: DatabaseAddress) -> list[str]:
    """Repair a database that was restored to an earlier time; what was done, and what is left to do.

    Raises:
        Unavailable: the database does not answer.
    """
    async with unlimited(database) as connection:
        done = await repair(connection)
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
