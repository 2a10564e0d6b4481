"""``GET /metrics`` on a port of its own, away from the public one; and how every port of ours is served."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final, Literal

import structlog
import uvicorn
from dishka import AsyncContainer
from litestar import Litestar, Response, route
from typing_extensions import override

from application.ops import Probe
from bootstrap.http_protocol import BoundedHttpProtocol
from infrastructure.metrics import CONTENT_TYPE, Metrics
from infrastructure.postgres.books import PostgresBooks
from infrastructure.postgres.outbox import PostgresOutbox
from infrastructure.settings import Settings
from web.problems import HANDLERS

SAMPLE_PATIENCE_S: Final = 2.0
"""How long a scrape waits for the database: what it does not say in that time is not a number."""

KEEP_ALIVE_S: Final = 75
"""Longer than proxies keep an idle connection (AWS: 60 s), so that it is never us who close one under a request."""

log = structlog.get_logger(__name__)


class ServerBeside(uvicorn.Server):
    """A server beside another: signals are the main one's."""

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def operations_listener(settings: Settings) -> socket.socket | None:
    """A socket on the operations port; None where the port is 0, or taken.

    A port that is taken costs the metrics, never the service: the log says so.
    """
    if not settings.lingualink_ops_port:
        return None
    try:
        return listen(settings.lingualink_ops_host, settings.lingualink_ops_port)
    except OSError as error:
        log.error("operations.port_not_available", port=settings.lingualink_ops_port, error=str(error))  # noqa: TRY400 - no trace
        return None


@asynccontextmanager
async def operations(container: AsyncContainer, listener: socket.socket | None) -> AsyncIterator[None]:
    """Answer on *listener*, if there is one, for as long as the block runs."""
    if listener is None:
        yield
        return
    metrics, outbox = await container.get(Metrics), await container.get(PostgresOutbox)
    books = await container.get(PostgresBooks)
    server = ServerBeside(
        server_config(_application(metrics, outbox, books), drain_timeout=1, lifespan="off")
    )
    task = asyncio.create_task(server.serve(sockets=[listener]), name="operations")
    try:
        yield
    finally:
        server.should_exit = True
        await task


def _application(metrics: Metrics, outbox: PostgresOutbox, books: PostgresBooks) -> Litestar:
    read_backlog = Probe(outbox.backlog, SAMPLE_PATIENCE_S)
    read_imbalance = Probe(books.imbalance, SAMPLE_PATIENCE_S)

    @route("/metrics", http_method=["GET", "HEAD"], media_type=CONTENT_TYPE)
    async def scrape() -> Response[bytes]:
        """Look at outbox and books, and tell everything: also while the database is wrong."""
        await metrics.sample(read_backlog, read_imbalance)
        return Response(metrics.text(), media_type=CONTENT_TYPE)

    return Litestar([scrape], exception_handlers=HANDLERS, openapi_config=None, logging_config=None)


def server_config(app: Any, *, drain_timeout: int, lifespan: Literal["on", "off"]) -> uvicorn.Config:
    """How every process of ours serves *app*; what is typed as Any has types of uvicorn's own for the same shapes."""
    return uvicorn.Config(
        app,
        http=BoundedHttpProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the application reads them, from the proxies that it is told to trust
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=drain_timeout,
        lifespan=lifespan,
    )


def listen(host: str, port: int, *, beside_others: bool = False) -> socket.socket:
    """A socket that listens on *host* and *port*; on ``::``, every address of this machine, IPv4's too.

    Raises:
        OSError: the address is none, or not this machine's, or the port is taken, unless all who have it listen
            *beside_others*.
    """
    try:
        [found, *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except UnicodeError as error:  # what no name can be
        raise OSError(str(error)) from None
    family, address = found[0], found[4]
    return socket.create_server(
        (str(address[0]), port),
        family=family,
        backlog=2048,
        reuse_port=beside_others,
        dualstack_ipv6=str(address[0]) == "::",
    )


def listen_side_by_side(host: str, port: int, count: int) -> list[socket.socket]:
    """Sockets on one address, *count* of them, among which the system shares out new connections.

    Of one socket whichever process wakes first takes all that wait: of several workers one may serve everybody, and
    the others nobody. Only Linux shares out (socket(7), ``SO_REUSEPORT``); elsewhere there is one socket.

    Raises:
        OSError: as :func:`listen`; somebody else's sockets on the port are not joined.
    """
    alone = listen(host, port)
    if count == 1 or sys.platform != "linux":
        return [alone]
    port = alone.getsockname()[1]
    alone.close()
    return [listen(host, port, beside_others=True) for _ in range(count)]
