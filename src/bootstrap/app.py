"""The ASGI application of one process: routes over use-cases, and the relay beside them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dishka import AsyncContainer
from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.types import ASGIApp

from application.ports import TokenVerifier
from bootstrap.container import create_container
from infrastructure.relay import Relay
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


def create_app(settings: Settings) -> ASGIApp:
    """The application that *settings* describe. It starts without its database, and says so when asked."""
    container = create_container(settings)

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        app.state.container = container
        app.state.token_verifier = await container.get(TokenVerifier)
        await (await container.get(SupabaseTokenVerifier)).prepare()
        async with _relay(container, inline=settings.lingualink_relay == "inline"):
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
    return RequestContext(app)


@asynccontextmanager
async def _relay(container: AsyncContainer, *, inline: bool) -> AsyncIterator[None]:
    """Run the relay beside the routes, and let it finish its batch at the end."""
    if not inline:
        yield
        return
    relay = await container.get(Relay)
    task = asyncio.create_task(relay.run(), name="relay")
    try:
        yield
    finally:
        relay.stop()
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
