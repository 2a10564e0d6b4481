"""The stand-in as one application: gateway, Auth, Realtime and the REST API of one local Supabase project."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.types import LifeSpanScope, Scope
from typing_extensions import override

from devstack.auth.routes import auth_router
from devstack.auth.service import Auth
from devstack.config import RealtimeLimits, SupabaseConfig
from devstack.database import Connection, open_pool
from devstack.gateway import ApiKeyGateway
from devstack.keys import SigningKey
from devstack.realtime.routes import realtime_router
from devstack.realtime.server import Realtime
from devstack.rest.routes import Rest, rest_router

__all__ = ["RealtimeLimits", "SupabaseConfig", "create_supabase", "install_shim"]

SHIM = Path(__file__).with_name("supabase.sql")
ALLOWED_HEADERS = [
    "accept", "accept-profile", "apikey", "authorization", "content-profile", "content-type", "prefer",
    "range", "range-unit", "x-client-info", "x-retry-count", "x-supabase-api-version",
]  # fmt: skip
EXPOSED_HEADERS = [
    "content-range", "link", "preference-applied", "x-rate-limit", "x-rate-limit-remaining", "x-rate-rolling",
    "x-sb-error-code", "x-supabase-api-version", "x-total-count",
]  # fmt: skip


async def install_shim(connection: Connection) -> None:
    """Make a plain database look like a Supabase project's: roles, ``auth`` and ``realtime``. Idempotent."""
    await connection.execute(SHIM.read_text())


def create_supabase(config: SupabaseConfig) -> Litestar:
    """The project that *config* describes, ready to be served by any ASGI server.

    It takes its connections when it starts and gives them back when it stops.
    """
    key = SigningKey.load(config.key_folder)

    @asynccontextmanager
    async def services(app: Litestar) -> AsyncIterator[None]:
        pool = await open_pool(config.database_url)
        app.state.auth = Auth(config, key, pool)
        app.state.realtime = realtime = Realtime(config, key)
        # Without prepared statements: the app may change its tables at any time.
        clients = await open_pool(config.authenticator_url, statement_cache_size=0)
        app.state.rest = Rest(key, clients)
        try:
            yield
        finally:
            await realtime.authorizer.aclose()
            await clients.close()
            await pool.close()

    tokens = {
        config.publishable_key: key.sign_role("anon"),
        config.secret_key: key.sign_role("service_role"),
    }
    return _Project(
        tokens,
        config.secret_key,
        route_handlers=[auth_router(), realtime_router(), rest_router()],
        lifespan=[services],
        cors_config=CORSConfig(
            allow_origins=["*"],
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"],
            allow_headers=ALLOWED_HEADERS,
            expose_headers=EXPOSED_HEADERS,
        ),
        logging_config=None,
        openapi_config=None,
    )


class _Project(Litestar):
    """The services behind their gateway, which acts before the framework has read the headers."""

    def __init__(self, tokens: Mapping[str, str], secret_key: str, **settings: Any) -> None:
        super().__init__(**settings)
        self._gateway = ApiKeyGateway(super().__call__, tokens, secret_key)

    @override
    async def __call__(self, scope: Scope | LifeSpanScope, receive: Any, send: Any) -> None:
        await self._gateway(scope, receive, send)
