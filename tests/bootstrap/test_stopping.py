"""How ``lingualink serve`` stops: it says so, finishes what runs, and ends with 0; with workers too."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from infrastructure.postgres.accounts import OPEN_WITH_BALANCE
from support.backend import backend_process, readiness
from support.database import Database
from support.people import Person, sign_up
from support.ports import free_port
from support.stack import SupabaseStack, supabase_on

pytestmark = pytest.mark.anyio

CONNECTIONS = 100
DRAIN_S = 90
END_S = 60
"""For a process that waits for nothing any more; shorter than it would wait for what runs."""
WORKERS = pytest.mark.parametrize("workers", [1, 2])


@pytest.fixture
def supabase(database: Database) -> Iterator[SupabaseStack]:
    with supabase_on(database.cluster, database.name) as running:
        yield running


@contextmanager
def served(
    database: Database, supabase: SupabaseStack, **changes: object
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    port = free_port()
    variables = {"LINGUALINK_DRAIN_DELAY": 0, "LINGUALINK_DRAIN_TIMEOUT": DRAIN_S, **changes}
    environment = {name: str(value) for name, value in variables.items()}
    with backend_process(database, supabase, port, environment) as process:
        yield process, f"http://127.0.0.1:{port}"


async def exit_code(process: subprocess.Popen[bytes], within: float) -> int:
    return await asyncio.to_thread(process.wait, within)


async def until_refused(url: str) -> None:
    """Return once nothing accepts connections at *url* any more; the test's own time limit ends it otherwise."""
    while True:
        try:
            async with client(url) as http:
                await http.get("/health/live")
        except httpx.ConnectError:
            return
        except httpx.TransportError:
            continue  # the socket closed under the request
        await asyncio.sleep(0.02)


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Return once *condition* holds; the test's own time limit ends it otherwise."""
    while not await condition():  # noqa: ASYNC110 - another process makes it true
        await asyncio.sleep(0.02)


def client(url: str) -> httpx.AsyncClient:
    """A client of its own connections; without TLS it is made in no time."""
    return httpx.AsyncClient(base_url=url, timeout=30, verify=False)  # noqa: S501 - plain HTTP


@asynccontextmanager
async def kept_alive(url: str, connections: int) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Clients with one connection each that has served a request and stays open."""
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client(url)) for _ in range(connections)]
        answers = await asyncio.gather(*(kept.get("/health/live") for kept in clients))
        assert {answer.headers.get("connection") for answer in answers} == {None}
        yield clients


async def people(supabase: SupabaseStack, database: Database, url: str) -> tuple[Person, Person]:
    """One with money, and one to pay it to."""
    headers = {"apikey": supabase.publishable_key}
    async with httpx.AsyncClient(base_url=supabase.url, headers=headers, timeout=30) as http:
        sender, recipient = await sign_up(http), await sign_up(http)
    async with client(url) as http:
        for person in (sender, recipient):
            answer = await http.get("/profile", headers={"Authorization": f"Bearer {person.token}"})
            assert answer.status_code == 200
    await database.fetch(OPEN_WITH_BALANCE, UUID(sender.id), Decimal(10))
    return sender, recipient


@asynccontextmanager
async def row_lock(database: Database, person: Person) -> AsyncIterator[asyncpg.Connection]:
    """Hold the wallet of *person* until the block is left."""
    connection = await asyncpg.connect(database.superuser_url)
    try:
        async with connection.transaction():
            await connection.execute(
                "select from public.wallets where user_id = $1 for update", UUID(person.id)
            )
            yield connection
    finally:
        await connection.close()


async def until_waiting(connection: asyncpg.Connection) -> None:
    """Return once a statement of the service waits for a lock."""
    waiting = (
        "select true from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    )

    async def waits() -> object:
        # A transaction sees the server's processes as they were when it first looked.
        await connection.execute("select pg_stat_clear_snapshot()")
        return await connection.fetchval(waiting)

    await until(waits)


def pay(url: str, sender: Person, recipient: Person) -> "asyncio.Task[httpx.Response]":
    async def send() -> httpx.Response:
        async with client(url) as http:
            return await http.post(
                "/wallet/transfers",
                json={"recipient_id": recipient.id, "amount": "1.00"},
                headers={"Authorization": f"Bearer {sender.token}", "Idempotency-Key": str(uuid4())},
            )

    return asyncio.create_task(send())


@WORKERS
async def test_a_request_that_runs_is_finished_and_a_hundred_idle_connections_do_not_hold_the_end_up(
    database: Database, supabase: SupabaseStack, workers: int
) -> None:
    await database.be_patient()
    with served(database, supabase, LINGUALINK_WORKERS=workers, LINGUALINK_DRAIN_DELAY=0.2) as (process, url):
        sender, recipient = await people(supabase, database, url)
        async with kept_alive(url, CONNECTIONS):
            async with row_lock(database, sender) as lock:
                payment = pay(url, sender, recipient)
                await until_waiting(lock)
                process.send_signal(signal.SIGTERM)
                await until_refused(url)
                assert process.poll() is None
            answer = await payment
            code = await exit_code(process, END_S)

    assert answer.status_code == 201
    assert code == 0


@WORKERS
async def test_a_process_that_drains_serves_on_and_sends_its_clients_away(
    database: Database, supabase: SupabaseStack, workers: int
) -> None:
    with served(database, supabase, LINGUALINK_WORKERS=workers, LINGUALINK_DRAIN_DELAY=120) as (process, url):
        async with kept_alive(url, 4 * workers) as clients:
            process.send_signal(signal.SIGTERM)
            ready = await _until_not_ready(clients[0])
            answers = await asyncio.gather(*(_until_sent_away(kept) for kept in clients[1:]))
            process.send_signal(signal.SIGTERM)
            code = await exit_code(process, END_S)

    told = ready.json()
    assert (told["status"], told["parts"]) == ("draining", {"process": "draining"})
    assert {answer.status_code for answer in answers} == {200}
    assert code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shares connections out")
async def test_workers_share_new_connections(
    database: Database, supabase: SupabaseStack, tmp_path: Path
) -> None:
    """Of one socket whichever wakes first takes all that wait, and the others serve nobody."""
    port = free_port()
    with (
        (tmp_path / "log").open("wb") as log,
        backend_process(database, supabase, port, {"LINGUALINK_WORKERS": "2"}, log),
    ):
        async with kept_alive(f"http://127.0.0.1:{port}", 64):
            pass
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]

    served_by = Counter(line["process"] for line in lines if line.get("path") == "/health/live")
    assert len(served_by) == 2
    assert min(served_by.values()) >= 8  # of 64; fewer come about once in ten thousand million times


@WORKERS
async def test_each_request_has_its_line_when_the_process_has_ended(
    database: Database, supabase: SupabaseStack, workers: int, tmp_path: Path
) -> None:
    asked = [f"/posts/{uuid4()}" for _ in range(20 * workers)]
    environment = {"LINGUALINK_WORKERS": str(workers), "LINGUALINK_DRAIN_DELAY": "0"}
    port = free_port()
    with (
        (tmp_path / "log").open("wb") as log,
        backend_process(database, supabase, port, environment, log) as process,
    ):
        async with client(f"http://127.0.0.1:{port}") as http:
            answers = await asyncio.gather(*(http.get(path) for path in asked))
        process.send_signal(signal.SIGTERM)
        assert await exit_code(process, END_S) == 0
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]

    told = {line["request_id"]: line["path"] for line in lines if line["event"] == "request"}
    assert {answer.headers["x-request-id"]: answer.url.path for answer in answers}.items() <= told.items()


async def _until_sent_away(kept: httpx.AsyncClient) -> httpx.Response:
    """The answer that closes the connection: the workers hear of the signal one after the other."""
    while True:
        answer = await kept.get("/health/live")
        if answer.headers.get("connection") == "close" or answer.status_code != 200:
            return answer
        await asyncio.sleep(0.02)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads Linux's /proc")
async def test_a_signal_to_all_processes_of_several_workers_is_one_signal(
    database: Database, supabase: SupabaseStack
) -> None:
    """As systemd, Heroku and a terminal send it. Taken for two it would end the delay, and cut off who comes yet."""
    with served(database, supabase, LINGUALINK_WORKERS=2, LINGUALINK_DRAIN_DELAY=120) as (process, url):
        async with kept_alive(url, 4) as clients:
            for worker in children_of(process.pid):
                os.kill(worker, signal.SIGTERM)
            await asyncio.gather(*map(_until_not_ready, clients))
            process.send_signal(signal.SIGTERM)
            await asyncio.sleep(2)  # long enough for the end, were the delay over
            answers = await asyncio.gather(*(kept.get("/health/live") for kept in clients))
            process.send_signal(signal.SIGTERM)
            code = await exit_code(process, END_S)

    assert {answer.headers.get("connection") for answer in answers} == {"close"}
    assert code == 0


async def _until_not_ready(kept: httpx.AsyncClient) -> httpx.Response:
    while True:
        answer = await kept.get("/health/ready")
        if answer.status_code == 503:
            return answer
        await asyncio.sleep(0.02)


async def test_what_does_not_finish_in_time_is_cut_off_and_rolled_back(
    database: Database, supabase: SupabaseStack
) -> None:
    with served(database, supabase, LINGUALINK_DRAIN_TIMEOUT=1) as (process, url):
        sender, recipient = await people(supabase, database, url)
        async with row_lock(database, sender) as lock:
            payment = pay(url, sender, recipient)
            await until_waiting(lock)
            process.send_signal(signal.SIGTERM)
            code = await exit_code(process, END_S)
            [answer] = await asyncio.gather(payment, return_exceptions=True)
    [wallet] = await database.fetch("select balance from public.wallets where user_id = $1", UUID(sender.id))

    assert code == 0
    # Not "our mistake": the same key asked of another process tells what became of it.
    assert isinstance(answer, httpx.TransportError) or (
        isinstance(answer, httpx.Response) and answer.json()["code"] == "unavailable"
    )
    assert wallet["balance"] == 10


async def test_the_relay_gives_up_its_lease(database: Database, supabase: SupabaseStack) -> None:
    held = "select holder from private.relay_lease where holder is not null"
    with served(database, supabase) as (process, _):
        await until(lambda: database.fetch(held))
        process.send_signal(signal.SIGTERM)
        code = await exit_code(process, END_S)

    assert code == 0
    assert await database.fetch(held) == []


def children_of(pid: int) -> set[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in listed}


async def two_workers_but(parent: int, dead: int) -> bool:
    return len(children_of(parent) - {dead}) == 2


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads Linux's /proc")
async def test_a_worker_that_dies_is_replaced(database: Database, supabase: SupabaseStack) -> None:
    with served(database, supabase, LINGUALINK_WORKERS=2) as (process, url):
        before = children_of(process.pid)
        os.kill(min(before), signal.SIGKILL)
        await until(lambda: two_workers_but(process.pid, min(before)))
        async with client(url) as http:
            answer = await http.get("/health/live")
        process.send_signal(signal.SIGTERM)
        code = await exit_code(process, END_S)

    assert len(before) == 2
    assert answer.status_code == 200
    assert code == 0


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads Linux's /proc")
async def test_workers_end_when_their_parent_is_killed(database: Database, supabase: SupabaseStack) -> None:
    with served(database, supabase, LINGUALINK_WORKERS=2) as (process, url):
        process.kill()

        await until_refused(url)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads Linux's /proc")
async def test_workers_whose_parent_is_killed_drain_together(
    database: Database, supabase: SupabaseStack
) -> None:
    """One after the other they would hold the port for as many delays as there are workers."""
    with served(database, supabase, LINGUALINK_WORKERS=3, LINGUALINK_DRAIN_DELAY=120) as (process, url):
        workers = children_of(process.pid)
        async with AsyncExitStack() as stack:
            of_worker: dict[int, httpx.AsyncClient] = {}
            while len(of_worker) < len(workers):
                kept = await stack.enter_async_context(client(url))
                of_worker.setdefault((await kept.get("/health/live")).json()["process"], kept)
            process.kill()
            drained = await asyncio.gather(*map(_until_not_ready, of_worker.values()))
        for worker in workers:
            os.kill(worker, signal.SIGKILL)

    assert {answer.json()["status"] for answer in drained} == {"draining"}


async def test_a_server_older_than_the_schema_stays_ready(
    database: Database, supabase: SupabaseStack
) -> None:
    await database.fetch("update private.schema_level set level = level + 1")

    with served(database, supabase) as (_, url):
        ready = await asyncio.to_thread(readiness, url)

    assert ready.json()["parts"]["schema"] == "ok"
