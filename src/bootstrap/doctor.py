"""``lingualink doctor``: runs the checks and tells what they find, each finding as soon as it is made."""

import os
from collections.abc import AsyncIterator

import click
import msgspec

from infrastructure.doctor.findings import Finding, Severity, error
from infrastructure.doctor.run_checks import run_checks
from infrastructure.logging import STANDARD_ERROR, configure_logging
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
    configure_logging(settings, level="error", descriptor=STANDARD_ERROR)
    async for finding in run_checks(settings, migrator):
        yield finding
