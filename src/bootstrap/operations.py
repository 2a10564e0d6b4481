"""``GET /metrics`` on a port of its own, away from the public one."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
import uvicorn
from dishka import AsyncContainer
from litestar import Litestar, Response, get
from typing_extensions import override

from infrastructure.metrics import CONTENT_TYPE, Metrics
from infrastructure.postgres.outbox import PostgresOutbox
from infrastructure.settings import Settings
from web.problems import HANDLERS

log = structlog.get_logger(__name__)


class _Server(uvicorn.Server):
    """A server beside another: signals are the main one's."""

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def operations(container: AsyncContainer, settings: Settings) -> AsyncIterator[None]:
    """Answer on the operations port for as long as the block runs. Port 0 turns it off.

    A port that is taken costs the metrics, never the service: the log says so.
    """
    if not settings.lingualink_ops_port:
        yield
        return
    address = (settings.lingualink_ops_host, settings.lingualink_ops_port)
    try:
        listening = socket.create_server(address, family=_family(settings.lingualink_ops_host))
    except OSError as error:
        log.error("operations.port_not_available", port=address[1], error=str(error))  # noqa: TRY400 - no trace
        yield
        return
    metrics, outbox = await container.get(Metrics), await container.get(PostgresOutbox)
    config = uvicorn.Config(
        _application(metrics, outbox),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        lifespan="off",
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]), name="operations")
    try:
        yield
    finally:
        server.should_exit = True
        await task


def _application(metrics: Metrics, outbox: PostgresOutbox) -> Litestar:
    @get("/metrics", media_type=CONTENT_TYPE)
    async def scrape() -> Response[bytes]:
        """Look at the outbox, and tell everything."""
        await metrics.sample(outbox)
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    return Litestar([scrape], exception_handlers=HANDLERS, openapi_config=None, logging_config=None)


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
