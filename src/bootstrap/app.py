"""The ASGI application of one process: routes over use-cases, and the relay beside them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from dishka import AsyncContainer
from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from application.ops.drain import Drain
from application.ports import TokenVerifier
from bootstrap.container import create_container
from bootstrap.operations import operations
from bootstrap.relay import inline_relay
from infrastructure.maintenance import MaintenanceWorker
from infrastructure.metrics import Metrics
from infrastructure.settings import Settings
from infrastructure.supabase.verifier import SupabaseTokenVerifier
from web.authentication import Authentication
from web.bodies import MAX_BYTES
from web.openapi import CONFIG
from web.problems import HANDLERS
from web.request_context import RequestContext
from web.routes import ROUTES

HEADERS_OF_CLIENTS = ["Authorization", "Content-Type", "Idempotency-Key", "If-Match", "X-Request-Id"]
HEADERS_FOR_CLIENTS = ["Idempotency-Replayed", "Retry-After", "WWW-Authenticate", "X-Request-Id"]


def create_app(settings: Settings, drain: Drain | None = None) -> ASGIApp:
    """The application that *settings* describe. It starts without its database, and says so when asked.

    Once *drain* has begun it says that it is not ready. The client's address is the peer's, unless the peer is a
    trusted proxy: then it is the right-most address of ``X-Forwarded-For`` that is no trusted proxy itself; what
    stands left of it, anybody could have written.
    """
    metrics = Metrics()
    container = create_container(settings, metrics, drain)

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        app.state.container = container
        app.state.token_verifier = await container.get(TokenVerifier)
        await (await container.get(SupabaseTokenVerifier)).prepare()
        async with (
            operations(container, settings),
            inline_relay(container, settings),
            _housekeeping(container),
        ):
            yield
        await container.close()

    app = Litestar(
        ROUTES,
        lifespan=[lifespan],
        middleware=[Authentication()],
        exception_handlers=HANDLERS,
        cors_config=_cors(settings.lingualink_cors_origins),
        openapi_config=CONFIG,
        request_max_body_size=MAX_BYTES,
        logging_config=None,
    )
    inner: Any = RequestContext(app, metrics.request)  # uvicorn has types of its own for the same shapes
    return cast("ASGIApp", ProxyHeadersMiddleware(inner, settings.lingualink_trusted_proxies))


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


def _cors(origins: list[str]) -> CORSConfig | None:
    if not origins:
        return None
    return CORSConfig(
        allow_origins=origins,
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=HEADERS_OF_CLIENTS,
        expose_headers=HEADERS_FOR_CLIENTS,
        max_age=600,
    )
