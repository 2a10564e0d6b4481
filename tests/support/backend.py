"""The backend, served against a database and the Supabase stand-in; and people who use it over HTTP."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import httpx
from pydantic import SecretStr

from bootstrap.app import create_app
from bootstrap.http_protocol import BoundedHttpProtocol
from infrastructure.settings import Settings
from support.database import Database
from support.documented import Documented
from support.ports import free_port
from support.stack import SupabaseStack, serve_in_thread


@dataclass(frozen=True, slots=True)
class System:
    """The whole hybrid: database, Supabase, backend."""

    database: Database
    supabase: SupabaseStack
    api_url: str


def settings_for(database: Database, supabase: SupabaseStack, **changes: Any) -> Settings:
    """The environment of a backend on *database* beside *supabase*."""
    environment: dict[str, Any] = {
        "database_url": SecretStr(database.service_url),
        "supabase_url": supabase.url,
        "supabase_secret_key": SecretStr(supabase.secret_key),
        "lingualink_database_pooler": database.pooler,
        "lingualink_ops_port": 0,
        "lingualink_rate_limit": 0,  # tests of limits say so; others send as fast as they can
    }
    return Settings(**{**environment, **changes})


@contextmanager
def backend(database: Database, supabase: SupabaseStack, **changes: Any) -> Iterator[System]:
    """Serve the backend from a thread."""
    app = Documented(create_app(settings_for(database, supabase, **changes)))
    with serve_in_thread(app, free_port(), http=BoundedHttpProtocol, ws="none") as url:
        yield System(database, supabase, url)


def environment_for(database: Database, supabase: SupabaseStack, port: int) -> dict[str, str]:
    """The same, as a process sees it."""
    return {
        **os.environ,
        "DATABASE_URL": database.service_url,
        "LINGUALINK_DATABASE_POOLER": database.pooler,
        "SUPABASE_URL": supabase.url,
        "SUPABASE_SECRET_KEY": supabase.secret_key,
        "LINGUALINK_PORT": str(port),
        "LINGUALINK_OPS_PORT": "0",
        "LINGUALINK_RATE_LIMIT": "0",
    }


@contextmanager
def backend_process(
    database: Database,
    supabase: SupabaseStack,
    port: int,
    changes: Mapping[str, str] | None = None,
    log: int | IO[bytes] = subprocess.DEVNULL,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``lingualink serve`` as its users do; it is ready inside the block, and killed at its end."""
    command = [sys.executable, "-c", "from bootstrap.cli import main; main()", "serve"]
    process = subprocess.Popen(
        command,
        env={**environment_for(database, supabase, port), **(changes or {})},
        stdout=log,
    )
    try:
        wait_until_ready(process, f"http://127.0.0.1:{port}")
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    """Return once the process answers that it is ready; within two minutes, for other processes start too."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        try:
            if httpx.get(f"{url}/health/ready", timeout=20).is_success:
                return
        except httpx.HTTPError:
            pass
        try:
            process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            continue
        raise RuntimeError(f"the backend ended with {process.returncode}")
    raise RuntimeError("the backend did not become ready")


def readiness(url: str) -> httpx.Response:
    """What ``/health/ready`` answers once database and keys were heard of: on a busy machine they may be late."""
    end = time.monotonic() + 30
    while True:
        ready = httpx.get(f"{url}/health/ready", timeout=20)
        late = {"away", "not fetched yet"} & set(ready.json()["parts"].values())
        if not late or time.monotonic() > end:
            return ready
        time.sleep(0.1)  # as a platform does that asks again: nothing tells of a database that comes


KEPT = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=None)
"""For many requests at once over one client: whoever closes a connection because it rested closes, on a busy machine,
one that was just given to a request (httpcore 1.0)."""


def api(system: System, token: str | None = None) -> httpx.AsyncClient:
    """A client of the backend, signed in with *token*."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return httpx.AsyncClient(base_url=system.api_url, headers=headers, timeout=30, limits=KEPT)
