"""``lingualink doctor``: what is wrong with the deployment or, with ``--ledger``, with its ledger, as it is found."""

import os
import sys
from collections.abc import AsyncIterator, Sequence

import click
import msgspec

from application.wallet.reconcile_ledger import ReconcileLedger
from bootstrap.commands import CommandFailed
from infrastructure.doctor.findings import Finding, Severity, error
from infrastructure.doctor.run_checks import run_checks
from infrastructure.logging import STANDARD_ERROR, configure_logging
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.ledger import ledger_snapshots
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


async def reconcile(
    database: DatabaseAddress, *, as_json: bool, since_seal: bool = False, kept: Sequence[str] | None = None
) -> bool:
    """Read the ledger, and print one line (or one JSON object) for each thing that does not add up.

    *kept* are seals as :func:`seal` printed them, None where none were asked for. Whether something must be done.

    Raises:
        CommandFailed: *kept* holds something else.
    """
    digests = None if kept is None else _digests_of(kept)
    proof = ReconcileLedger(ledger_snapshots(database), digests, since_seal=since_seal)
    found = await _print(proof, as_json=as_json)
    if found:
        click.echo(f"{found} things do not add up.", err=True)
    elif not as_json:
        click.echo("Every cent is in place.")
    return found > 0


class _KeptSeal(msgspec.Struct):
    id: int
    digest: str


def _digests_of(lines: Sequence[str]) -> dict[int, str]:
    try:
        kept = [msgspec.json.decode(line, type=_KeptSeal) for line in lines]
    except msgspec.MsgspecError:
        raise CommandFailed(
            "That is no file of seals.", "Keep each line that `lingualink seal` prints, and nothing else."
        ) from None
    return {seal.id: seal.digest for seal in kept}


async def _print(run: ReconcileLedger, *, as_json: bool) -> int:
    """Print findings as they come; how many there were."""
    found = 0
    with click.progressbar(
        length=1, label="Reading the ledger", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:

        def begin(rows: int) -> None:
            bar.length = rows

        async for finding in run(begin, bar.update):
            found += 1
            line = f"{finding.fault} user={finding.user_id} id={finding.subject_id}: {finding.detail}"
            click.echo(msgspec.json.encode(finding).decode() if as_json else line)
    return found
