"""The level of the schema that the migrations left."""

import asyncpg

from infrastructure.postgres.errors import map_database_errors


class PostgresSchema:
    """The port :class:`application.ops.check_readiness.SchemaLevel` on the shared database."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def read(self) -> int:
        """See the port."""
        async with map_database_errors():
            try:
                return int(await self._pool.fetchval("select level from private.schema_level") or 0)
            except (
                asyncpg.UndefinedTableError,
                asyncpg.InsufficientPrivilegeError,
                asyncpg.InvalidSchemaNameError,
            ):
                return 0
