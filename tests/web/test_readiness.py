"""What a balancer is told: live to restart by, ready to route by."""

import asyncio
from collections.abc import Iterator

import httpx
import pytest

from application.ops import PATIENCE_S, SCHEMA_LEVEL, CheckReadiness, DatabaseState, ShutdownState
from domain.errors import Unavailable
from support.accounts import open_account, sign_ups
from support.backend import System, backend, readiness
from support.database import Database
from support.ports import free_port
from support.stack import SupabaseStack, supabase_on
from support.tcp_proxy import TcpProxy, proxy_to

pytestmark = pytest.mark.anyio

GOOD = DatabaseState(SCHEMA_LEVEL, read_only=False)


class Parts:
    """A database and keys that are as told."""

    def __init__(self) -> None:
        self.database: DatabaseState | Exception = GOOD
        self.keys = True
        self.frozen = asyncio.Event()
        self.frozen.set()
        self.shutdown = ShutdownState()
        self.check = CheckReadiness(self.read, self.prepare, self.shutdown)
        self.asked = 0

    async def read(self) -> DatabaseState:
        self.asked += 1
        await self.frozen.wait()
        if isinstance(self.database, Exception):
            raise self.database
        return self.database

    async def prepare(self) -> bool:
        return self.keys

    async def told(self) -> tuple[str, dict[str, str]]:
        found = await self.check()
        return found.status, dict(found.parts)


OK = {"database": "ok", "schema": "ok", "signing_keys": "ok"}


async def test_all_parts_are_well() -> None:
    assert await Parts().told() == ("ok", OK)


async def test_a_newer_schema_is_no_reason() -> None:
    parts = Parts()
    parts.database = DatabaseState(SCHEMA_LEVEL + 5, read_only=False)

    assert await parts.told() == ("ok", OK)


@pytest.mark.parametrize("error", [Unavailable(), RuntimeError("of another kind"), OSError()])
async def test_before_it_was_ready_a_database_that_is_away_makes_it_unavailable(error: Exception) -> None:
    parts = Parts()
    parts.database = error

    assert await parts.told() == ("unavailable", OK | {"database": "away", "schema": "unknown"})


@pytest.mark.parametrize("error", [Unavailable(), RuntimeError("of another kind"), OSError()])
async def test_once_ready_it_stays_so_while_the_database_is_away(error: Exception) -> None:
    parts = Parts()
    await parts.told()
    parts.database = error

    assert await parts.told() == ("degraded", OK | {"database": "away", "schema": "unknown"})
    assert (await parts.check()).ready


async def test_a_database_that_takes_no_writes_is_named() -> None:
    parts = Parts()
    parts.database = DatabaseState(SCHEMA_LEVEL, read_only=True)

    assert await parts.told() == ("degraded", OK | {"database": "read_only"})


async def test_an_older_schema_is_never_excused() -> None:
    parts = Parts()
    await parts.told()
    parts.database = DatabaseState(SCHEMA_LEVEL - 1, read_only=False)

    status, told = await parts.told()

    assert (status, told["schema"]) == (
        "unavailable",
        f"migrations missing: at {SCHEMA_LEVEL - 1}, needs {SCHEMA_LEVEL}",
    )


@pytest.mark.parametrize("database", [GOOD, Unavailable()])
async def test_lost_keys_are_never_excused(database: DatabaseState | Exception) -> None:
    parts = Parts()
    await parts.told()
    parts.keys, parts.database = False, database

    status, told = await parts.told()

    assert (status, told["signing_keys"]) == ("unavailable", "not fetched yet")


async def test_a_process_that_drains_says_nothing_else() -> None:
    parts = Parts()
    parts.shutdown.begun = True

    assert await parts.told() == ("draining", {"process": "draining"})


async def test_a_database_that_does_not_answer_is_asked_once_and_not_waited_for() -> None:
    parts = Parts()
    await parts.told()
    parts.frozen.clear()

    async with asyncio.timeout(30):  # the question itself has no end
        told = await asyncio.gather(*(parts.told() for _ in range(5)))
    parts.frozen.set()

    assert {status for status, _ in told} == {"degraded"}
    assert parts.asked == 2
    assert PATIENCE_S < 2  # when a platform gives up on a probe


# --- Over HTTP


@pytest.fixture
def supabase(database: Database) -> Iterator[SupabaseStack]:
    with supabase_on(database.cluster, database.name) as running:
        yield running


@pytest.fixture
def proxy(database: Database) -> Iterator[TcpProxy]:
    with proxy_to(database.service_url) as proxy:
        yield proxy


@pytest.fixture
def behind_the_proxy(database: Database, supabase: SupabaseStack, proxy: TcpProxy) -> Iterator[System]:
    with backend(database, supabase, database_url=proxy.url, lingualink_relay="off") as up:
        yield up


async def test_a_database_that_freezes_leaves_readiness_quick_and_requests_answered_503(
    behind_the_proxy: System, proxy: TcpProxy
) -> None:
    async with sign_ups(behind_the_proxy.supabase) as people:
        person = await open_account(behind_the_proxy.database, people)
    async with httpx.AsyncClient(base_url=behind_the_proxy.api_url, timeout=30) as http:
        before = await asyncio.to_thread(readiness, behind_the_proxy.api_url)
        proxy.freeze()
        asked = asyncio.create_task(http.get("/wallet", headers=person.headers()))
        ready = await http.get("/health/ready")
        quick = not asked.done()
        live = await http.get("/health/live")
        wallet = await asked
        proxy.thaw()
        proxy.cut_all()

    assert (before.status_code, before.json()["status"]) == (200, "ok")
    assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    assert ready.json()["parts"]["database"] == "away"
    assert quick  # it does not wait as long as a request does
    assert (wallet.status_code, wallet.headers["retry-after"]) == (503, "1")
    assert live.status_code == 200


async def test_a_database_that_takes_no_writes_is_named_over_http(
    database: Database, supabase: SupabaseStack
) -> None:
    await database.fetch(f'alter database "{database.name}" set default_transaction_read_only = on')
    with backend(database, supabase, lingualink_relay="off") as up:
        ready = await asyncio.to_thread(readiness, up.api_url)

    assert (ready.status_code, ready.json()["parts"]["database"]) == (200, "read_only")


async def test_a_database_that_never_was_there_makes_it_not_ready(
    database: Database, supabase: SupabaseStack
) -> None:
    nowhere = f"postgresql://lingualink_api@127.0.0.1:{free_port()}/nothing"
    with backend(database, supabase, database_url=nowhere, lingualink_relay="off") as up:
        async with httpx.AsyncClient(base_url=up.api_url, timeout=30) as http:
            live, ready = await http.get("/health/live"), await http.get("/health/ready")

    assert live.status_code == 200
    assert (ready.status_code, ready.json()["parts"]["database"]) == (503, "away")
    assert {"release", "host", "process"} <= live.json().keys() & ready.json().keys()
    assert live.headers["x-release"] == live.json()["release"]
