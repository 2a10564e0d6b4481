"""Connection pools: the superuser's, which Auth and Realtime share, as both have rights of their own; and others."""

from typing import Any, TypeAlias

import asyncpg
import msgspec

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
Connection: TypeAlias = (
    "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
)


def _encode_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


async def _read_jsonb_as_objects(connection: Connection) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_encode_json, decoder=msgspec.json.decode
    )


async def open_pool(url: str, **settings: Any) -> Pool:
    """A small pool whose connections read and write jsonb as Python objects; *settings* are asyncpg's."""
    return await asyncpg.create_pool(url, min_size=1, max_size=8, init=_read_jsonb_as_objects, **settings)
