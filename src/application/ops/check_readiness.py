"""Whether this process can do its work."""

from collections.abc import Mapping
from typing import Protocol

from application.ops.drain import Drain
from domain.errors import Unavailable

SCHEMA_LEVEL = 7
"""The oldest schema that this code runs on; a newer one is no reason to be unready."""


class SchemaLevel(Protocol):
    """The database, as far as readiness asks."""

    async def read(self) -> int:
        """The schema's level; 0 before the first migration.

        Raises:
            Unavailable: the database does not answer.
        """
        ...


class SigningKeys(Protocol):
    """The keys that tokens are verified with, as far as readiness asks."""

    async def prepare(self) -> bool:
        """Whether tokens can be verified; fetches the keys if they are due.

        A process that is not ready gets no requests, so the probe must be what finds the keys.
        """
        ...


class CheckReadiness:
    """Looks at each part that work depends on. Realtime is none: what is owed waits in the outbox."""

    def __init__(self, schema: SchemaLevel, keys: SigningKeys, drain: Drain) -> None:
        self._schema = schema
        self._keys = keys
        self._drain = drain

    async def __call__(self) -> Mapping[str, str]:
        """A word for each part: ``ok``, or why it is not. A process that drains looks at nothing else."""
        if self._drain.begun:
            return {"process": "draining"}
        try:
            level = await self._schema.read()
        except Unavailable:
            database, schema = "unreachable", "unknown"
        else:
            database = "ok"
            schema = (
                "ok" if level >= SCHEMA_LEVEL else f"migrations missing: at {level}, needs {SCHEMA_LEVEL}"
            )
        keys = "ok" if await self._keys.prepare() else "not fetched yet"
        return {"database": database, "schema": schema, "signing_keys": keys}
