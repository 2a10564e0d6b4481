"""When a token under the project's legacy secret was last accepted, for whoever wants to retire the secret."""

from datetime import datetime

import asyncpg

from infrastructure.postgres.errors import acquire_connection

# Processes write whatever they saw; the newest counts.
_RECORD = "update private.legacy_tokens set last_accepted_at = $1 where last_accepted_at < $1"


class PostgresLegacyTokens:
    """The port :class:`infrastructure.maintenance.LegacyTokens` on the shared database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def record(self, accepted_at: datetime) -> None:
        """See the port: one statement."""
        async with acquire_connection(self._pool) as connection:
            await connection.execute(_RECORD, accepted_at)
