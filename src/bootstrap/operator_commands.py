"""What an operator's commands show and do to the outbox, to roles and wallets, and to the ledger."""

import sys
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import click
import msgspec

from application.realtime.ports import Backlog, DeadLetter
from application.vault.users import GrantRole
from application.wallet.reconcile_ledger import ReconcileLedger
from bootstrap.commands import CommandFailed, id_or_address
from domain.identity import Role
from infrastructure.postgres.accounts import find_account, unfreeze
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import create_pool
from infrastructure.postgres.ledger import ledger_snapshots, take_seal, unlimited
from infrastructure.postgres.outbox import PostgresOutbox
from infrastructure.postgres.pool import acquire_connection, map_database_errors
from infrastructure.postgres.transactions import PostgresDatabase

SHOWN = 1_000


@asynccontextmanager
async def _outbox(database: DatabaseAddress) -> AsyncIterator[PostgresOutbox]:
    async with create_pool(database, 1) as pool:
        yield PostgresOutbox(pool)


async def outbox_report(database: DatabaseAddress, *, as_json: bool) -> str:
    """The dead letters, at most a thousand, and how much is pending; payloads are never shown."""
    async with _outbox(database) as outbox:
        dead_letters, backlog = await outbox.dead_letters(SHOWN), await outbox.backlog()
    if as_json:
        return msgspec.json.encode({"dead_letters": dead_letters, "backlog": backlog}).decode()
    return "\n".join([*map(_line, dead_letters), _summary(dead_letters, backlog)])


async def retry_dead_letters(database: DatabaseAddress, ids: Collection[int] | None) -> Sequence[int]:
    """Make dead letters pending again (all of them when *ids* is None); the ids of those that were."""
    async with _outbox(database) as outbox:
        return await outbox.retry(ids)


async def drop_event(database: DatabaseAddress, id: int, reason: str) -> bool:
    """Tell an event that is not delivered to nobody, ever, and record why; whether there was one."""
    async with _outbox(database) as outbox:
        return await outbox.drop(id, reason)


def _line(event: DeadLetter) -> str:
    at = f"{event.dead_lettered_at:%Y-%m-%dT%H:%M:%SZ}"
    return f"{event.id}  {at}  {event.event}  {event.topic}  {event.event_id}  {event.why}"


def _summary(shown: Sequence[DeadLetter], backlog: Backlog) -> str:
    more = f" ({len(shown)} shown)" if backlog.dead_lettered > len(shown) else ""
    pending = f"{backlog.pending} pending, the oldest for {backlog.oldest_pending_seconds:.1f} s."
    return f"{backlog.dead_lettered} dead-lettered{more}; {pending}"


async def grant(database: DatabaseAddress, who: str, role: str) -> str:
    """Give *who* (an id or an e-mail address) a role; what to say about it.

    Raises:
        DomainError: there is no such account, or nobody would be an admin any more.
    """
    async with map_database_errors(), create_pool(database, 1) as pool:
        async with acquire_connection(pool) as connection:
            user_id = await find_account(connection, id_or_address(who))
            operator = await connection.fetchval("select session_user")
        grant_role = GrantRole(PostgresDatabase(pool, lambda: None), uuid4)
        granted = await grant_role(user_id, Role(role), operator=operator)
    if granted.before is granted.after:
        return f"{granted.user_id} has the role {granted.after} already; nothing was changed."
    return f"{granted.user_id} is {granted.after} now, was {granted.before}."


async def unfreeze_wallet(database: DatabaseAddress, user_id: UUID, reason: str) -> bool:
    """Let the owner of a frozen wallet use it again, and record why; whether it was frozen."""
    async with (
        map_database_errors(),
        create_pool(database, 1) as pool,
        acquire_connection(pool) as connection,
    ):
        return await unfreeze(connection, user_id, reason)


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


async def seal(database: DatabaseAddress) -> str:
    """Seal what moved since the last seal; the seal as one line of JSON, to be kept where the database's owner can't.

    Raises:
        Unavailable: the database does not answer.
    """
    async with unlimited(database) as connection:
        return msgspec.json.encode(await take_seal(connection)).decode()
