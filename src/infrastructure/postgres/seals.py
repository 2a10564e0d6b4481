"""Taking a seal: the ledger's fingerprint, stored, and told so that it can be kept elsewhere."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from domain.ledger import GENESIS, HEAD_SIZE, Head, seal_digest
from infrastructure.postgres.ledger_queries import SEAL_HEADS

BEHIND: Final = timedelta(minutes=1)
"""A seal ends so long ago that no transaction of then is still under way: those of the service take five seconds."""
_LOCK: Final = 6_117_005
_LAST: Final = """
select s.id, s.sealed_until, s.digest, clock_timestamp() - $1::interval as until
from (select) one left join (
  select id, sealed_until, digest from private.ledger_seals order by id desc limit 1
) s on true
"""
_TAKE: Final = """
insert into private.ledger_seals (sealed_until, heads, digest) values ($1, $2, $3) returning id
"""


@dataclass(frozen=True, slots=True)
class TakenSeal:
    """A seal as it is told: digests in hex, ``sealed_until`` in UTC; ``wallets`` moved since the seal ``previous``."""

    id: int
    sealed_until: datetime
    wallets: int
    digest: str
    previous: str


async def take_seal(connection: Any, behind: timedelta = BEHIND) -> TakenSeal:
    """Seal what moved since the last seal; one runner at a time. Its memory is 56 bytes a wallet that moved.

    Raises:
        asyncpg.PostgresError, OSError: the database did not answer or refused.
    """
    async with connection.transaction():
        await connection.execute("set local statement_timeout = 0")
        await connection.execute(f"select pg_advisory_xact_lock({_LOCK})")
        last = await connection.fetchrow(_LAST, behind)
        previous, until = last["digest"] or GENESIS, last["until"]
        heads = bytearray()
        async for row in connection.cursor(SEAL_HEADS, last["sealed_until"], until, prefetch=2000):
            heads += bytes(Head(row["user_id"], row["version"], row["hash"]))
        digest = seal_digest(previous, until, bytes(heads))
        number = await connection.fetchval(_TAKE, until, bytes(heads), digest)
    return TakenSeal(number, until, len(heads) // HEAD_SIZE, digest.hex(), previous.hex())
