"""A PostgreSQL cluster, servers in threads, and the local Supabase stand-in, for as long as a test needs."""

import asyncio
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import uvicorn
from typing_extensions import override

from devstack.postgres import LocalPostgres
from devstack.supabase import RealtimeLimits, SupabaseConfig, create_supabase, install_shim
from support.pooler import suite_pooler
from support.ports import free_port

PUBLISHABLE_KEY = "sb_publishable_for_tests_only"
SECRET_KEY = "sb_secret_for_tests_only"
START_SECONDS = 60.0
KEEP_ALIVE_S = 3_600
MEMORY = Path("/dev/shm")  # noqa: S108 - a cluster of mkdtemp's name inside it


class _Server(uvicorn.Server):
    """A server that says when it takes connections."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@contextmanager
def serve_in_thread(app: Any, port: int, **options: Any) -> Iterator[str]:
    """Serve the ASGI *app* on 127.0.0.1:*port* from a thread with a loop of its own; yields the base URL.

    *options* are further settings of uvicorn. A connection that rests stays open, unless they say otherwise: the server
    would close it, on a busy machine, under a request that was just sent.

    Leaving the block stops the server, cutting off what is still open.

    Raises:
        RuntimeError: the server did not start; the log says why.
    """
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=port,
        log_level="warning",
        timeout_graceful_shutdown=1,
        lifespan="on",
        proxy_headers=False,
        **{"timeout_keep_alive": KEEP_ALIVE_S, **options},
    )
    server = _Server(config)

    def run() -> None:
        try:
            server.run()
        except SystemExit:
            pass  # uvicorn's way to say that the application did not start
        finally:
            server.ready.set()

    thread = threading.Thread(target=run, name=f"server on {port}", daemon=True)
    thread.start()
    if not server.ready.wait(START_SECONDS) or not server.started:
        server.should_exit = True
        raise RuntimeError(f"the server on port {port} did not start")
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(START_SECONDS)


@contextmanager
def postgres_cluster() -> Iterator[LocalPostgres]:
    """A fast throw-away cluster on a free port, in memory where the system allows."""
    folder = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="lingualink-", dir=folder) as home:
        cluster = LocalPostgres(Path(home), free_port(), durable=False).start()
        try:
            with suite_pooler(cluster):
                yield cluster
        finally:
            cluster.stop()


@dataclass(frozen=True, slots=True)
class SupabaseStack:
    """A running stand-in: where it answers, its keys, and its database as the superuser sees it."""

    url: str
    database_url: str
    publishable_key: str = PUBLISHABLE_KEY
    secret_key: str = field(default=SECRET_KEY, repr=False)


@contextmanager
def supabase_on(
    cluster: LocalPostgres,
    database: str = "postgres",
    *,
    token_lifetime: int = 3_600,
    limits: RealtimeLimits | None = None,
    **settings: Any,
) -> Iterator[SupabaseStack]:
    """Serve the stand-in for a *database* of *cluster*, on which the shim is installed first.

    *settings* are further fields of :class:`devstack.supabase.SupabaseConfig`.
    """
    database_url, port = cluster.url(database), free_port()
    with ThreadPoolExecutor(1) as own_loop:  # callers may have a loop running
        own_loop.submit(asyncio.run, _install(database_url)).result()
    config = SupabaseConfig(
        database_url=database_url,
        base_url=f"http://127.0.0.1:{port}",
        publishable_key=PUBLISHABLE_KEY,
        secret_key=SECRET_KEY,
        token_lifetime=token_lifetime,
        realtime=limits or RealtimeLimits(),
        **settings,
    )
    with serve_in_thread(create_supabase(config), port) as url:
        yield SupabaseStack(url, database_url)


async def _install(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await install_shim(connection)
    finally:
        await connection.close()
