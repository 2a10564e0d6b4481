"""Who may receive and send on a private topic: the database's policies on ``realtime.messages`` decide.

As on Supabase the answer comes from a probe: rows that the superuser inserts and the user tries to read, or a
row that the user tries to insert, in a transaction that is rolled back.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import asyncpg
import msgspec

from devstack.database import Connection, Pool
from devstack.realtime.tokens import Access

logger = logging.getLogger(__name__)

_INSERT = "insert into realtime.messages (topic, extension, private) values ($1, $2, true)"
_ACT_AS = """
select set_config('role', $1, true), set_config('realtime.topic', $2, true),
       set_config('request.jwt.claims', $3, true), set_config('request.jwt.claim.sub', $4, true),
       set_config('request.jwt.claim.role', $1, true), set_config('request.headers', $5, true)
"""


@dataclass(frozen=True, slots=True)
class Readable:
    """What a user may receive on a topic."""

    broadcast: bool
    presence: bool


async def may_read(
    pool: Pool, topic: str, access: Access, headers: Mapping[str, str], *, presence: bool
) -> Readable:
    """Whether the policies show the user a broadcast, and with *presence* a presence message, of *topic*."""
    probes = ["broadcast", "presence"] if presence else ["broadcast"]
    async with pool.acquire() as connection:
        probing = connection.transaction()
        await probing.start()
        try:
            ids = {
                await connection.fetchval(f"{_INSERT} returning id", topic, extension) for extension in probes
            }
            await _act_as(connection, topic, access, headers)
            seen = await connection.fetch(
                "select extension from realtime.messages where topic = $1 and id = any($2)", topic, list(ids)
            )
        except asyncpg.PostgresError as error:
            logger.warning("Reading %s is refused, because its probe failed: %s", topic, error)
            seen = []
        finally:
            await probing.rollback()
    extensions = {row["extension"] for row in seen}
    return Readable("broadcast" in extensions, "presence" in extensions)


async def may_send(pool: Pool, topic: str, access: Access, headers: Mapping[str, str]) -> bool:
    """Whether the policies let the user insert a broadcast into *topic*."""
    async with pool.acquire() as connection:
        probing = connection.transaction()
        await probing.start()
        try:
            await _act_as(connection, topic, access, headers)
            await connection.execute(_INSERT, topic, "broadcast")
        except asyncpg.InsufficientPrivilegeError:
            return False
        except asyncpg.PostgresError as error:
            logger.warning("Sending on %s is refused, because its probe failed: %s", topic, error)
            return False
        finally:
            await probing.rollback()
    return True


async def _act_as(connection: Connection, topic: str, access: Access, headers: Mapping[str, str]) -> None:
    claims = msgspec.json.encode(access.claims).decode()
    spoken = msgspec.json.encode(dict(headers)).decode()
    await connection.execute(_ACT_AS, access.role, topic, claims, str(access.claims.get("sub", "")), spoken)
