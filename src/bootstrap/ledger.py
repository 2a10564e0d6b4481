"""``lingualink doctor --ledger`` and ``lingualink erase-user``: an operator's hands on the ledger."""

import sys
from collections.abc import Mapping
from uuid import UUID

import click
import msgspec

from application.wallet.reconcile_ledger import ReconcileLedger
from bootstrap.commands import CommandFailed
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.erasure import StillThere, Unknown, erase
from infrastructure.postgres.ledger import ledger_snapshots


async def reconcile(database: DatabaseAddress, *, as_json: bool) -> bool:
    """Read the whole ledger, and print one line (or one JSON object) for each thing that does not add up.

    Whether something must be done.
    """
    found = await _reconcile(ReconcileLedger(ledger_snapshots(database)), as_json=as_json)
    if found:
        click.echo(f"{found} things do not add up.", err=True)
    elif not as_json:
        click.echo("Every cent is in place.")
    return found > 0


async def _reconcile(run: ReconcileLedger, *, as_json: bool) -> int:
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


async def erase_person(database: DatabaseAddress, user_id: UUID) -> Mapping[str, int]:
    """Blank what is personal of a deleted user; how many rows of each sort.

    Raises:
        CommandFailed: the user still has an Auth account, or nobody with this id was ever here.
    """
    try:
        return await erase(database, user_id)
    except StillThere:
        raise CommandFailed(
            "This user still has an Auth account.", "Delete that first, in Supabase Auth."
        ) from None
    except Unknown:
        raise CommandFailed(
            f"Nothing is known of a user {user_id}.", "Check the id: it is that of the deleted Auth user."
        ) from None
