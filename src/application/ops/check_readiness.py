"""Whether this process can do its work."""

from collections.abc import Mapping
from typing import Protocol

from domain.errors import Unavailable

SCHEMA_LEVEL = 12
"""The oldest schema that this code runs on; a newer one is no reason to be unready."""


class SchemaLevel(Protocol):
    """The database, as far as readiness asks."""

    async def read(self) -> int:
        """The schema's level; 0 before the first migration.

        Raises:
            Unavailable: the database does not answer.
        """
        ...


class KnownKeys(Protocol):
    """The signing keys, as far as readiness asks."""

    @property
    def keys_known(self) -> bool:
        """Whether tokens can be verified."""
        ...


class CheckReadiness:
    """Looks at each part that work depends on. Realtime is none: what is owed waits in the outbox."""

    def __init__(self, schema: SchemaLevel, keys: KnownKeys) -> None:
        self._schema = schema
        self._keys = keys

    async def __call__(self) -> Mapping[str, str]:
        """A word for each part: ``ok``, or why it is not."""
        try:
            level = await self._schema.read()
        except Unavailable:
            database, schema = "unreachable", "unknown"
        else:
            database = "ok"
            schema = (
                "ok" if level >= SCHEMA_LEVEL else f"migrations missing: at {level}, needs {SCHEMA_LEVEL}"
            )
        keys = "ok" if self._keys.keys_known else "not fetched yet"
        return {"database": database, "schema": schema, "signing_keys": keys}
