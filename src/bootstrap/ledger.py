"""``lingualink doctor --ledger`` and ``lingualink erase-user``: an operator's hands on the ledger."""

import asyncio
import os
import sys
from uuid import UUID

import click
import msgspec

from application.wallet.reconcile_ledger import ReconcileLedger
from domain.errors import Unavailable
from infrastructure.postgres.erasure import StillThere, erase
from infrastructure.postgres.ledger import ledger_snapshots
from infrastructure.settings import Settings, SettingsError


def reconcile(*, as_json: bool) -> bool:
    """Read the whole ledger, and print one line (or one JSON object) for each thing that does not add up.

    Whether something must be done.

    Raises:
        ClickException: the environment is not complete, or the database does not answer.
    """
    try:
        settings = Settings.load()
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    url, pooler = settings.database_url.get_secret_value(), settings.lingualink_database_pooler
    try:
        found = asyncio.run(_reconcile(ReconcileLedger(ledger_snapshots(url, pooler)), as_json=as_json))
    except Unavailable:
        raise click.ClickException("The database does not answer.") from None
    if found:
        click.echo(f"{found} things do not add up.", err=True)
    elif not as_json:
        click.echo("Every cent is in place.")
    return found > 0


async def _reconcile(run: ReconcileLedger, *, as_json: bool) -> int:
    """Print findings as they come; how many there were."""
    found = 0
    with click.progressbar(length=1, label="Reading the ledger", file=sys.stderr) as bar:

        def begin(rows: int) -> None:
            bar.length = rows

        async for finding in run(begin, bar.update):
            found += 1
            line = f"{finding.fault} user={finding.user_id} id={finding.subject_id}: {finding.detail}"
            click.echo(msgspec.json.encode(finding).decode() if as_json else line)
    return found


@click.command("erase-user")
@click.argument("user_id", type=click.UUID)
def erase_user(user_id: UUID) -> None:
    """Blank the personal text of a deleted Auth user; amounts, audit rows and the ledger's shape stay."""
    url = os.environ.get("MIGRATION_DATABASE_URL")
    if not url:
        raise click.ClickException(
            "These environment variables are not right:\n  MIGRATION_DATABASE_URL: is missing"
        )
    try:
        blanked = asyncio.run(erase(url, user_id))
    except StillThere:
        raise click.ClickException("This user still has an Auth account: delete that first.") from None
    for what, count in blanked.items():
        click.echo(f"{what}: {count}")
