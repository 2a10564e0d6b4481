"""``lingualink doctor --ledger``, ``seal``, ``restored`` and ``erase-user``: an operator's hands on the ledger."""

import sys
from collections.abc import Mapping, Sequence
from uuid import UUID

import click
import msgspec

from application.wallet.reconcile_ledger import ReconcileLedger
from bootstrap.commands import CommandFailed
from infrastructure.doctor.restoring import repair
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.erasure import StillThere, Unknown, erase
from infrastructure.postgres.ledger import ledger_snapshots, take_seal, unlimited


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
    found = await _reconcile(proof, as_json=as_json)
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


async def seal(database: DatabaseAddress) -> str:
    """Seal what moved since the last seal; the seal as one line of JSON, to be kept where the database's owner can't.

    Raises:
        Unavailable: the database does not answer.
    """
    async with unlimited(database) as connection:
        return msgspec.json.encode(await take_seal(connection)).decode()


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
