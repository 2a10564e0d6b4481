"""Who may receive and send on a private topic: the database's policies on ``realtime.messages`` decide.

As on Supabase the answer comes from a probe: rows that the superuser inserts and the user tries to read, or a
row that the user tries to insert, in a transaction that is rolled back. A probe that *fails* is no answer, and what
is made of that differs from endpoint to endpoint.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime

import asyncpg
import msgspec

from devstack.database import Connection
from devstack.keys import Access

logger = logging.getLogger(__name__)

_INSERT = "insert into realtime.messages (topic, extension, private) values ($1, $2, true)"
_ACT_AS = """
select set_config('role', $1, true), set_config('realtime.topic', $2, true),
       set_config('request.jwt.claims', $3, true), set_config('request.jwt.claim.sub', $4, true),
       set_config('request.jwt.claim.role', $1, true), set_config('request.headers', $5, true)
"""
APPLICATION = "realtime_connect"
"""What ``pg_stat_activity`` says of the connection, here as there."""


class ProbeFailedError(Exception):
    """The database did not say who may do what; the text is the real server's."""


@dataclass(frozen=True, slots=True)
class Readable:
    """What a user may receive on a topic."""

    broadcast: bool
    presence: bool


class Authorizer:
    """Asks the policies over one connection of its own, as the real server asks over a small pool of them.

    Whether the connection still lives shows when the next question is asked: that one fails, and those after it
    have a new connection. The daily partitions of ``realtime.messages`` are made once a day.
    """

    def __init__(self, database_url: str, timeout: float) -> None:
        self._database_url = database_url
        self._timeout = timeout
        self._connection: Connection | None = None
        self._one_at_a_time = asyncio.Lock()
        self._partitions_of: date | None = None

    async def aclose(self) -> None:
        """End the connection; the next question makes another."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def may_read(
        self, topic: str, access: Access, headers: Mapping[str, str], *, presence: bool
    ) -> Readable:
        """Whether the policies show the user a broadcast, and with *presence* a presence message, of *topic*.

        Raises:
            ProbeFailedError: nobody knows.
        """
        probes = ["broadcast", "presence"] if presence else ["broadcast"]
        async with self._probing() as connection:
            ids = {
                await connection.fetchval(f"{_INSERT} returning id", topic, extension) for extension in probes
            }
            await _act_as(connection, topic, access, headers)
            seen = await connection.fetch(
                "select extension from realtime.messages where topic = $1 and id = any($2)", topic, list(ids)
            )
        extensions = {row["extension"] for row in seen}
        return Readable("broadcast" in extensions, "presence" in extensions)

    async def may_send(self, topic: str, access: Access, headers: Mapping[str, str]) -> bool:
        """Whether the policies let the user insert a broadcast into *topic*.

        Raises:
            ProbeFailedError: nobody knows.
        """
        async with self._probing() as connection:
            await _act_as(connection, topic, access, headers)
            try:
                await connection.execute(_INSERT, topic, "broadcast")
            except asyncpg.InsufficientPrivilegeError:
                return False
        return True

    @asynccontextmanager
    async def _probing(self) -> AsyncIterator[Connection]:
        """A transaction that is rolled back; whatever goes wrong in it is a failed probe."""
        async with self._one_at_a_time:
            try:
                async with asyncio.timeout(self._timeout):
                    connection = await self._connected()
                    probing = connection.transaction()
                    await probing.start()
                    try:
                        yield connection
                    except Exception:
                        await probing.rollback()
                        raise
                    await probing.rollback()
            except ProbeFailedError:
                raise
            except (asyncpg.CheckViolationError, asyncpg.QueryCanceledError) as failed:
                missing = isinstance(failed, asyncpg.CheckViolationError)
                raise ProbeFailedError(
                    "Missing messages partition" if missing else "Query canceled"
                ) from failed
            except BaseException as failed:  # also a cancellation: this connection is of no use any more
                await self.aclose()
                if isinstance(failed, TimeoutError):
                    raise ProbeFailedError("Tenant database unavailable") from failed
                if isinstance(failed, Exception):
                    logger.warning("A probe of the policies failed: %s", failed)
                    raise ProbeFailedError("RLS policy error") from failed
                raise

    async def _connected(self) -> Connection:
        if self._connection is None:
            try:
                self._connection = await asyncpg.connect(
                    self._database_url, server_settings={"application_name": APPLICATION}
                )
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as away:
                raise ProbeFailedError("Tenant database unavailable") from away
        if self._partitions_of != (today := datetime.now(UTC).date()):
            await self._connection.execute("select realtime.make_daily_partitions()")
            self._partitions_of = today
        return self._connection


async def _act_as(connection: Connection, topic: str, access: Access, headers: Mapping[str, str]) -> None:
    claims = msgspec.json.encode(access.claims).decode()
    spoken = msgspec.json.encode(dict(headers)).decode()
    await connection.execute(_ACT_AS, access.role, topic, claims, str(access.claims.get("sub", "")), spoken)
