"""The backend of ``make run``: ``lingualink serve`` as it ships, and the demo page beside it at ``/demo``."""

import os
import socket
import sys
from pathlib import Path
from typing import Any

from litestar import Litestar, get
from litestar.static_files import create_static_files_router
from litestar.types import ASGIApp, Receive, Scope, Send

from application.ops import ShutdownState
from bootstrap.app import create_app
from bootstrap.server import run
from devstack.seed import PASSWORD, SAMPLES
from infrastructure.settings import Settings

SUPABASE_URL = "LINGUALINK_DEMO_SUPABASE_URL"
PUBLISHABLE_KEY = "LINGUALINK_DEMO_PUBLISHABLE_KEY"
PAGE = Path(__file__).with_name("demo") / "dist"


def demo_site(supabase_url: str, publishable_key: str) -> Litestar:
    """The page, and at ``/demo/config.json`` what it must know of this system."""

    @get("/demo/config.json", sync_to_thread=False)
    def config() -> dict[str, Any]:
        people = [
            {"id": person.id, "email": person.email, "full_name": person.full_name, "role": person.role}
            for person in SAMPLES
        ]
        return {
            "supabase_url": supabase_url,
            "publishable_key": publishable_key,
            "password": PASSWORD,
            "people": people,
        }

    page = create_static_files_router("/demo", directories=[PAGE], html_mode=True)
    return Litestar([config, page], openapi_config=None, logging_config=None)


class WithDemo:
    """Sends what is asked under ``/demo`` to the page, and everything else to the backend."""

    def __init__(self, backend: ASGIApp, demo: ASGIApp) -> None:
        self._backend = backend
        self._demo = demo

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; the lifespan is the backend's."""
        of_demo = scope["type"] == "http" and scope["path"].startswith("/demo")  # type: ignore[comparison-overlap]
        await (self._demo if of_demo else self._backend)(scope, receive, send)


def open_to_this_machine(settings: Settings) -> Settings:
    """The same, and a web app that is being developed on this machine may call, whatever its port."""
    hosts = sorted({"localhost", "127.0.0.1", "[::1]", settings.lingualink_host})
    local = [f"{scheme}://{host}:*" for host in hosts for scheme in ("http", "https")]
    return settings.model_copy(
        update={"lingualink_cors_origins": [*settings.lingualink_cors_origins, *local]}
    )


def create_demo_app(
    settings: Settings, shutdown: ShutdownState, operations_socket: socket.socket | None
) -> ASGIApp:
    """What this process serves."""
    demo: Any = demo_site(os.environ[SUPABASE_URL], os.environ[PUBLISHABLE_KEY])
    return WithDemo(create_app(open_to_this_machine(settings), shutdown, operations_socket), demo)


if __name__ == "__main__":
    sys.exit(run(Settings.load(), create_demo_app))
