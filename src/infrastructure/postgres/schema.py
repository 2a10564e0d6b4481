"""What the database says of itself: the schema's level, whether it was taken over, and whether it takes writes."""

import asyncpg

from application.ops.check_readiness import AdoptionState, DatabaseState
from infrastructure.postgres.errors import map_database_errors

_STATE = """
select level, current_setting('transaction_read_only') = 'on' as read_only,
       exists (select from private.adoption where adopted_at is null) as half_adopted
from private.schema_level
"""
_HAS_APP = "select to_regclass('public.profiles') is not null"


class PostgresSchema:
    """Answers for readiness on the shared database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def read(self) -> DatabaseState:
        """The state, in one round trip, two before the first migration, which is level 0.

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
            if row is None:
                has_app = await self._pool.fetchval(_HAS_APP)
                adoption = AdoptionState.NOT_BEGUN if has_app else AdoptionState.DONE
                return DatabaseState(0, read_only=False, adoption=adoption)
        adoption = AdoptionState.UNFINISHED if row["half_adopted"] else AdoptionState.DONE
        return DatabaseState(row["level"], row["read_only"], adoption)
