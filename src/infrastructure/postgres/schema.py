"""What the database says of itself: the level of the schema that the migrations left, and whether it takes writes."""

import asyncpg

from application.ops import DatabaseState
from infrastructure.postgres.errors import map_database_errors

_STATE = """
select level, current_setting('transaction_read_only') = 'on' as read_only from private.schema_level
"""


class PostgresSchema:
    """Answers for readiness on the shared database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def read(self) -> DatabaseState:
        """The state, in one round trip; level 0 before the first migration.

        Raises:
            Unavailable: the database does not answer.
        """
        async with map_database_errors():
            try:
                row = await self._pool.fetchrow(_STATE)
            except (
                asyncpg.UndefinedTableError,
                asyncpg.InsufficientPrivilegeError,
                asyncpg.InvalidSchemaNameError,
            ):
                row = None
        return (
            DatabaseState(0, read_only=False)
            if row is None
            else DatabaseState(row["level"], row["read_only"])
        )
