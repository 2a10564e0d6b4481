"""How much of our own code a request passes, and how often it asks the database: bounds that don't grow unseen.

Functions, files and round trips are counted, never times: the same on every machine. Who finds a shorter way lowers
the bound.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr

from bootstrap.app import create_app
from bootstrap.container import create_container
from infrastructure.metrics import Metrics
from infrastructure.relay import Relay
from infrastructure.settings import Settings
from support.accounts import Account, open_account, sign_ups
from support.database import Database
from support.ports import free_port
from support.stack import SupabaseStack, serve_in_thread, supabase_on
from support.tcp_proxy import TcpProxy, proxy_to
from support.tracing import Trace, Traced, shared

pytestmark = pytest.mark.anyio


@dataclass(frozen=True, slots=True)
class Bound:
    """At most so many of our functions, in so many files, and exactly so many round trips.

    ``calls``: at most so many of any Python function, the libraries' too. What runs beside a request is among them, so
    a machine that is busy or a pooler makes them a few more.
    """

    functions: int
    files: int
    round_trips: int
    calls: int = 0


BOUNDS = {
    "GET /profile": Bound(33, 18, 1, 250),
    "POST /wallet/transfers": Bound(80, 31, 4, 930),
    "POST /vault/posts/{id}/validation": Bound(91, 32, 5, 1020),
}
PENDING = "select from private.realtime_outbox where delivered_at is null"
RELAY = Bound(57, 12, 0)
"""The HTTP client is our own, so its functions are among them."""


@dataclass(frozen=True, slots=True)
class Service:
    """A backend that is recorded, on a database behind a proxy that counts."""

    database: Database
    app: Traced
    proxy: TcpProxy
    http: httpx.AsyncClient
    payer: Account
    payee: Account
    moderator: Account

    async def profile(self) -> httpx.Response:
        """Who am I."""
        return await self.http.get("/profile", headers=self.payer.headers())

    async def transfer(self, key: str) -> httpx.Response:
        """Pay the other."""
        body = {"recipient_id": self.payee.id, "amount": "1.00"}
        return await self.http.post("/wallet/transfers", json=body, headers=self.payer.headers(key))

    async def validate(self) -> httpx.Response:
        """Approve a new post of the payer's."""
        [post] = await self.database.fetch(
            """
            insert into public.posts (author_id, kind, title, language)
            values ($1::text::uuid, 'text', 'Mwaramutse', 'rw') returning id, version
            """,
            self.payer.id,
        )
        return await self.http.post(
            f"/vault/posts/{post['id']}/validation",
            json={"status": "approved"},
            headers={**self.moderator.headers(), "If-Match": f'"{post["version"]}"'},
        )


@pytest.fixture
def supabase(database: Database) -> Iterator[SupabaseStack]:
    with supabase_on(database.cluster, database.name) as running:
        yield running


def _settings(database: Database, supabase: SupabaseStack, url: str, **changes: Any) -> Settings:
    return Settings(
        database_url=SecretStr(url),
        lingualink_database_pooler=database.pooler,
        supabase_url=supabase.url,
        supabase_secret_key=SecretStr(supabase.secret_key),
        lingualink_pool_size=1,
        lingualink_ops_port=0,
        **changes,
    )


@pytest.fixture
async def service(database: Database, supabase: SupabaseStack) -> AsyncIterator[Service]:
    with proxy_to(database.service_url) as proxy:
        app = Traced(create_app(_settings(database, supabase, proxy.url, lingualink_relay="off")))
        with serve_in_thread(app, free_port()) as url:
            async with sign_ups(supabase) as people, httpx.AsyncClient(base_url=url, timeout=30) as http:
                payer = await open_account(database, people, "50.00")
                payee = await open_account(database, people, "50.00")
                moderator = await open_account(database, people, role="moderator")
                await database.fetch(
                    """
                    insert into private.reward_rates (action, amount) values ('post_approved', 1)
                    on conflict (action) do update set amount = excluded.amount
                    """
                )
                yield Service(database, app, proxy, http, payer, payee, moderator)


def _asked(statements: list[str]) -> int:
    """How many statements there were; what tells other relays has a connection of its own."""
    return sum(not text.startswith(("notify", "select 1")) for text in statements)


async def test_a_request_passes_no_more_of_our_code_than_it_did(service: Service) -> None:
    requests = {
        "GET /profile": service.profile,
        "POST /wallet/transfers": lambda: service.transfer(str(uuid4())),
        "POST /vault/posts/{id}/validation": service.validate,
    }
    # The first of each fills what is made once: tokens, prepared statements, texts.
    for warm in (service.profile(), service.transfer("warm"), service.validate()):
        assert (await warm).is_success

    for name, request in requests.items():
        traces, bound = [], BOUNDS[name]
        for _ in range(3):
            service.proxy.statements.clear()
            assert (await request()).is_success
            traces.append(service.app.trace)
            assert _asked(service.proxy.statements) == bound.round_trips, (
                f"{name}: {service.proxy.statements}"
            )
        trace = shared(traces)
        assert len(trace.functions) <= bound.functions, f"{name}: {trace}"
        assert len(trace.files) <= bound.files, f"{name}: {trace}"
        assert trace.calls <= bound.calls, f"{name}: {trace}"


async def test_an_event_passes_no_more_of_our_code_than_it_did(
    service: Service, database: Database, supabase: SupabaseStack
) -> None:
    container = create_container(_settings(database, supabase, database.service_url), Metrics())
    relay = await container.get(Relay)
    assert (await service.transfer("owed")).is_success

    trace = Trace()
    with trace.recording():
        running = asyncio.create_task(relay.run())
        async with asyncio.timeout(30):
            while await database.fetch(PENDING):  # noqa: ASYNC110 - another process could not say so
                await asyncio.sleep(0.01)  # the relay's turn
        relay.stop()
        await running
    await container.close()

    assert len(trace.functions) <= RELAY.functions, str(trace)
    assert len(trace.files) <= RELAY.files, str(trace)
