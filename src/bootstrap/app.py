"""The ASGI application of one process: routes over use-cases, and the relay beside them."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dishka import AsyncContainer
from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.types import ASGIApp

from application.ops import ShutdownState
from bootstrap.container import create_container
from bootstrap.operations import operations, operations_listener
from bootstrap.relay import inline_relay
from infrastructure.logging import request_line
from infrastructure.metrics import Metrics
from infrastructure.postgres.maintenance import MaintenanceWorker
from infrastructure.rate_limits import LocalCounter, SharedCounter
from infrastructure.settings import Settings
from infrastructure.supabase.verifier import SupabaseTokenVerifier
from web.authentication import Authentication, RateLimits, SessionRequest
from web.bodies import MAX_BYTES
from web.endpoints import Endpoints
from web.headers import TrustedProxies
from web.openapi import openapi_config
from web.problems import HANDLERS
from web.request_context import RequestContext
from web.routes import ROUTES

HEADERS_OF_CLIENTS = ["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "X-Request-Id"]
HEADERS_FOR_CLIENTS = [
    *("Idempotency-Replayed", "RateLimit", "RateLimit-Policy", "Retry-After"),
    *("WWW-Authenticate", "X-Release", "X-Request-Id"),
]


def create_app(
    settings: Settings,
    shutdown: ShutdownState | None = None,
    operations_socket: socket.socket | None = None,
) -> ASGIApp:
    """The application that *settings* describe. It starts without its database, and says so when asked.

    Once *shutdown* has begun it says that it is not ready. Operators are answered on *operations_socket*, by default
    on a socket of its own.
    """
    metrics = Metrics()
    container = create_container(settings, metrics, shutdown)
    endpoints = Endpoints()

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        verifier = await container.get(SupabaseTokenVerifier)
        await verifier.prepare()
        async with (
            _rate_limits(settings) as limits,
            operations(container, operations_socket or operations_listener(settings)),
            inline_relay(container, settings),
            _housekeeping(container),
        ):
            await endpoints.prepare(app, container, Authentication(verifier, limits))
            yield
        await container.close()

    app = Litestar(
        ROUTES,
        lifespan=[lifespan],
        middleware=[endpoints.middleware],
        request_class=SessionRequest,
        exception_handlers=HANDLERS,
        cors_config=_cors(settings),
        openapi_config=openapi_config() if settings.lingualink_schema == "on" else None,
        request_max_body_size=MAX_BYTES,
        logging_config=None,
    )
    app.state.release = settings.lingualink_release
    proxies = TrustedProxies(settings.lingualink_trusted_proxies)
    short = endpoints.in_front_of(app)
    return RequestContext(short, metrics.request, request_line, proxies, settings.lingualink_release)


@asynccontextmanager
async def _rate_limits(settings: Settings) -> AsyncIterator[RateLimits | None]:
    """Count requests where the settings say, or not at all."""
    url = settings.lingualink_rate_limit_url.get_secret_value()
    if not settings.lingualink_rate_limit:
        yield None
    elif url.startswith("memory:"):
        yield RateLimits(settings.lingualink_rate_limit, LocalCounter())
    else:
        counter = SharedCounter(url)
        try:
            yield RateLimits(settings.lingualink_rate_limit, counter)
        finally:
            await counter.aclose()


@asynccontextmanager
async def _housekeeping(container: AsyncContainer) -> AsyncIterator[None]:
    """Clean up beside the routes."""
    housekeeping = await container.get(MaintenanceWorker)
    task = asyncio.create_task(housekeeping.run(), name="housekeeping")
    try:
        yield
    finally:
        housekeeping.stop()
        await task


def _cors(settings: Settings) -> CORSConfig | None:
    if not settings.lingualink_cors_origins:
        return None
    return CORSConfig(
        allow_origins=settings.lingualink_cors_origins,
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=[*HEADERS_OF_CLIENTS, *settings.lingualink_cors_headers],
        expose_headers=HEADERS_FOR_CLIENTS,
        max_age=600,
    )
