"""Tries what clients must not be able to do, and what they must, in a transaction that is always rolled back."""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from uuid import uuid4

import asyncpg

from infrastructure.doctor.findings import Finding, error, warning
from infrastructure.doctor.probes import FORBIDDEN, NEEDED, SCENE, USERS, Probe
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.connections import connect
from infrastructure.postgres.errors import diagnose

NAMES = ("me", "other", "banned", "mine", "approved", "theirs", "posted", "new")
TIMEOUTS = ("set local statement_timeout = '1s'", "set local lock_timeout = '1s'")
BUSY = {"57014", "55P03"}
INTEGRITY = "23"


async def check_clients(migrator: DatabaseAddress | None) -> Sequence[Finding]:
    """Find what a client could do, or could not, by doing it on rows that never existed."""
    if migrator is None:
        return [_not_probed("MIGRATION_DATABASE_URL is not set", "set it for this command")]
    try:
        connection = await connect(migrator)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as failure:
        known = diagnose(failure, "MIGRATION_DATABASE_URL")
        why = known.cause if known else type(failure).__name__
        return [
            _not_probed(
                f"MIGRATION_DATABASE_URL does not connect: {why}", known.remedy if known else "correct it"
            )
        ]
    try:
        return await _probe(connection)
    finally:
        await connection.close()


async def _probe(connection: asyncpg.Connection) -> Sequence[Finding]:
    ids = {name: str(uuid4()) for name in NAMES}
    transaction = connection.transaction()
    await transaction.start()
    try:
        for timeout in TIMEOUTS:
            await connection.execute(timeout)
        await _make_scene(connection, ids)
        forbidden = [await _try_forbidden(connection, probe, ids) for probe in FORBIDDEN]
        needed = [await _try_needed(connection, probe, ids) for probe in NEEDED]
    except asyncpg.PostgresError as failure:
        return [
            _not_probed(
                f"the rows to try it on can't be made up: {failure}",
                "connect with the rights of Supabase's postgres; give columns that the app added a default",
            )
        ]
    finally:
        await transaction.rollback()
    return [finding for finding in (*forbidden, *needed) if finding is not None]


async def _make_scene(connection: asyncpg.Connection, ids: Mapping[str, str]) -> None:
    with suppress(asyncpg.PostgresError):
        async with connection.transaction():
            await connection.execute(USERS.format(**ids))
    for statement in SCENE:
        await connection.execute(statement.format(**ids))


async def _try_forbidden(
    connection: asyncpg.Connection, probe: Probe, ids: Mapping[str, str]
) -> Finding | None:
    try:
        reached = await _run(connection, probe, ids)
    except asyncpg.PostgresError as refused:
        if refused.sqlstate in BUSY:
            return _not_probed(
                f"the database was too busy to try whether a client can {probe.name}", "try again"
            )
        # A constraint stands behind the guards: whoever reaches it got past them.
        reached = (refused.sqlstate or "").startswith(INTEGRITY)
    if not reached:
        return None
    return error(
        "client_can",
        f"a client can {probe.name}",
        "restore the policies and triggers that are missing, and drop what the app added around them "
        "(docs/database.md)",
    )


async def _try_needed(connection: asyncpg.Connection, probe: Probe, ids: Mapping[str, str]) -> Finding | None:
    try:
        reached = await _run(connection, probe, ids)
        why = "nothing happens"
    except asyncpg.PostgresError as refused:
        if refused.sqlstate in BUSY:
            return _not_probed(
                f"the database was too busy to try whether a client can {probe.name}", "try again"
            )
        reached, why = False, str(refused)
    if reached:
        return None
    return error(
        "client_can_not",
        f"a client can't {probe.name} ({why})",
        "restore the grants and policies that are missing, and drop restrictive ones that the app added",
    )


async def _run(connection: asyncpg.Connection, probe: Probe, ids: Mapping[str, str]) -> bool:
    """Whether the probe read or changed anything; what it did is undone.

    Raises:
        asyncpg.PostgresError: it was refused.
    """
    role = "anon" if probe.who == "anon" else "authenticated"
    claims = {"role": role} if probe.who == "anon" else {"role": role, "sub": ids[probe.who]}
    attempt = connection.transaction()
    await attempt.start()
    try:
        await connection.execute(f"set local role {role}")
        await connection.execute(
            "select set_config('request.jwt.claims', $1, true), set_config('realtime.topic', $2, true)",
            json.dumps(claims),
            f"user:{ids['me']}",
        )
        status = await connection.execute(probe.sql.format(**ids))
    finally:
        await attempt.rollback()
    # "UPDATE 0" and "SELECT 0" reached nothing; TRUNCATE does not count.
    return not status.endswith(" 0")


def _not_probed(why: str, fix: str) -> Finding:
    return warning("clients_not_probed", f"what clients can do was not tried: {why}", fix)
