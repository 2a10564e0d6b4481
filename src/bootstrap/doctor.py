"""``lingualink doctor``: runs the examination and tells what it found."""

import asyncio
import os

import msgspec

from infrastructure.doctor.examination import examine
from infrastructure.doctor.findings import Finding, Severity, error
from infrastructure.settings import Settings, SettingsError, migration_database_url

HEALTHY = "OK: nothing to do."


def report(*, as_json: bool) -> tuple[str, bool]:
    """What to print, one line a finding or one JSON object, and whether something must be done."""
    findings = _findings()
    must_act = any(finding.severity is Severity.ERROR for finding in findings)
    if as_json:
        return msgspec.json.encode({"healthy": not must_act, "findings": findings}).decode(), must_act
    lines = [str(finding) for finding in findings]
    if all(finding.severity is Severity.NOTE for finding in findings):
        lines.append(HEALTHY)
    return "\n".join(lines), must_act


def _findings() -> list[Finding]:
    try:
        settings = Settings.load()
        migration_url = migration_database_url() if os.environ.get("MIGRATION_DATABASE_URL") else None
    except SettingsError as refused:
        _, *lines = str(refused).splitlines()
        return [error("configuration", line.strip(), "set it; .env.example says how") for line in lines]
    return list(asyncio.run(examine(settings, migration_url)))
