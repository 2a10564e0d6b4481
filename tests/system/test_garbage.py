"""What a request leaves for the garbage collector, which looks seldom (ADR 0048): so much, and no more."""

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from litestar.types import ASGIApp
from pydantic import SecretStr

from bootstrap.app import create_app
from infrastructure.settings import Settings
from support.accounts import Account, open_account, sign_ups
from support.database import Database
from support.stack import SupabaseStack, supabase_on

pytestmark = pytest.mark.anyio

REQUESTS = 20
MOST = {"GET /profile": 0, "GET /wallet/transactions": 0, "POST /wallet/withdrawals": 0, "GET /nothing": 0}
"""Objects in cycles that one request may leave."""


@pytest.fixture
def supabase(database: Database) -> Iterator[SupabaseStack]:
    with supabase_on(database.cluster, database.name) as running:
        yield running


@asynccontextmanager
async def started(app: Any) -> AsyncIterator[None]:
    """*app* between its start and its end, with no server around it."""
    wanted: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    said: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    running = asyncio.create_task(app({"type": "lifespan", "state": {}}, wanted.get, said.put))
    for word in ("startup", "shutdown"):
        await wanted.put({"type": f"lifespan.{word}"})
        assert (await said.get())["type"] == f"lifespan.{word}.complete"
        if word == "startup":
            yield
    await running


async def status_of(app: Any, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> int:
    """Ask *app*; the status of its answer."""
    messages: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    sent = [(name.lower().encode(), value.encode()) for name, value in {"Host": "api", **headers}.items()]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": sent,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "scheme": "http",
        "root_path": "",
        "asgi": {"version": "3.0"},
        "state": {},
    }
    await app(scope, receive, send)
    return int(messages[0]["status"])


async def ask(app: ASGIApp, name: str, payer: Account, number: int) -> int:
    method, path = name.split(" ")
    headers, body = payer.headers(f"{name} {number}" if method == "POST" else None), b""
    if method == "POST":
        headers["Content-Type"] = "application/json"
        body = msgspec.json.encode({"amount": "0.01"})
    return await status_of(app, method, path, headers, body)


async def test_a_request_leaves_little_for_the_collector(database: Database, supabase: SupabaseStack) -> None:
    settings = Settings(
        database_url=SecretStr(database.service_url),
        lingualink_database_pooler=database.pooler,
        supabase_url=supabase.url,
        supabase_secret_key=SecretStr(supabase.secret_key),
        lingualink_relay="off",
        lingualink_ops_port=0,
    )
    app = create_app(settings)
    async with sign_ups(supabase) as people, started(app):
        payer = await open_account(database, people, "50.00")
        left: dict[str, float] = {}
        for name in MOST:
            status = 404 if "nothing" in name else 201 if "POST" in name else 200
            for number in range(3):  # what is made once
                assert await ask(app, name, payer, number) == status
            gc.collect()
            gc.disable()
            try:
                for number in range(3, 3 + REQUESTS):
                    assert await ask(app, name, payer, number) == status
                left[name] = gc.collect() / REQUESTS
            finally:
                gc.enable()

    assert left == MOST
