"""Requests a minute: for a user, for an address without a token; in this process, or shared by a real Redis."""

import asyncio
import contextlib
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from structlog.testing import capture_logs

from infrastructure import rate_limits
from infrastructure.rate_limits import LocalCounter, SharedCounter
from support.accounts import Account, is_problem, open_account, sign_ups
from support.backend import System, api, backend, readiness
from support.database import Database
from support.ports import free_port
from support.stack import supabase_on
from web.authentication import RateLimits
from web.headers import client_network
from web.problems import HttpProblem

pytestmark = pytest.mark.anyio

LIMIT = 5
NOON = 12 * 3600.0


# --- Counting


@given(st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 200)), max_size=60))
def test_a_key_is_counted_within_its_window_and_apart_from_others(asked: list[tuple[str, float]]) -> None:
    now = 0.0
    count = LocalCounter(lambda: now)
    told: dict[tuple[str, int], int] = {}
    for key, at in sorted(asked, key=lambda item: item[1]):
        now = at
        window = int(at // 60)
        told[key, window] = told.get((key, window), 0) + 1

        assert asyncio.run(_counted(count, f"{key}:{window}")) == told[key, window]


async def _counted(count: LocalCounter, key: str) -> int:
    return await count(key, 60)


async def test_memory_holds_only_those_who_asked_lately() -> None:
    now = 0.0
    count = LocalCounter(lambda: now)
    for minute in range(10):
        now = minute * 60.0
        for user in range(100):
            await count(f"{user}:{minute}", 60)

    assert len(count._counts) + len(count._previous) <= 200


async def test_the_headers_say_what_is_left_and_for_how_long() -> None:
    limits = RateLimits(2, LocalCounter(), lambda: NOON + 18)
    state: dict[str, object] = {}

    await limits.take(state, "user", "a")

    assert state["headers"] == [(b"ratelimit-policy", b'"user";q=2;w=60'), (b"ratelimit", b'"user";r=1;t=43')]


async def test_a_new_minute_is_a_new_window() -> None:
    now = NOON
    limits = RateLimits(1, LocalCounter(lambda: now), lambda: now)
    await limits.take({}, "user", "a")
    with pytest.raises(HttpProblem, match="No more than 1"):
        await limits.take({}, "user", "a")
    now += 60

    await limits.take({}, "user", "a")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("testclient", "testclient", True),
    ],
)
def test_an_address_stands_for_one_customer(one: str, other: str, same: bool) -> None:
    assert (client_network(one) == client_network(other)) is same


# --- Over HTTP


@pytest.fixture(scope="module")
def limited(system: System) -> Iterator[System]:
    """The same database and stand-in, behind a backend that lets little through."""
    with backend(system.database, system.supabase, lingualink_rate_limit=LIMIT, lingualink_relay="off") as up:
        readiness(up.api_url)
        yield up


@pytest.fixture
async def person(system: System) -> AsyncIterator[Account]:
    async with sign_ups(system.supabase) as http:
        yield await open_account(system.database, http, "5.00")


async def statuses(system: System, path: str, count: int, **headers: str) -> list[httpx.Response]:
    async with api(system) as http:
        return [await http.get(path, headers=headers) for _ in range(count)]


async def test_a_user_has_so_many_requests_a_minute(limited: System, person: Account, system: System) -> None:
    async with sign_ups(system.supabase) as http:
        other = await open_account(system.database, http)

    answers = await statuses(limited, "/wallet", 2 * LIMIT + 2, **person.headers())
    of_another = await statuses(limited, "/wallet", 1, **other.headers())

    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(answers) - LIMIT * 2 <= len(refused) <= len(answers) - LIMIT  # the minute may turn in between
    assert all(is_problem(answer) and answer.json()["code"] == "rate_limited" for answer in refused)
    assert all(1 <= int(answer.headers["retry-after"]) <= 60 for answer in refused)
    assert all('"user";r=0;t=' in answer.headers["ratelimit"] for answer in refused)
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {f'"user";q={LIMIT};w=60'}
    assert of_another[0].status_code == 200


async def test_a_refused_payment_is_none(limited: System, person: Account) -> None:
    await statuses(limited, "/wallet", 2 * LIMIT, **person.headers())
    async with api(limited) as http:
        answers = [
            await http.post(
                "/wallet/withdrawals", json={"amount": "1.00"}, headers=person.headers(f"key {number}")
            )
            for number in range(3 * LIMIT)
        ]
    [row] = await limited.database.fetch(
        "select count(*) from public.wallet_withdrawals where user_id::text = $1", person.id
    )

    assert 429 in {answer.status_code for answer in answers}
    assert row["count"] == sum(answer.status_code == 201 for answer in answers)


async def test_who_brings_no_good_token_is_counted_by_address(limited: System) -> None:
    none = await statuses(limited, "/wallet", LIMIT)
    bad = await statuses(limited, "/wallet", 2 * LIMIT + 2, Authorization="Bearer nonsense")

    assert {answer.headers["ratelimit-policy"] for answer in none + bad} == {f'"address";q={LIMIT};w=60'}
    assert {answer.status_code for answer in bad} <= {401, 429}
    assert 429 in {answer.status_code for answer in bad}  # the minute may turn in between


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/schema/openapi.json"])
async def test_open_routes_are_not_counted(limited: System, path: str) -> None:
    answers = await statuses(limited, path, 4 * LIMIT)

    assert {answer.status_code for answer in answers} == {200}
    assert "ratelimit" not in answers[0].headers


# --- Shared by a real server

SERVER = shutil.which("valkey-server") or shutil.which("redis-server")


@contextmanager
def shared_server(port: int) -> Iterator[None]:
    """A Valkey, or a Redis, on *port*, which keeps nothing."""
    assert SERVER is not None
    process = subprocess.Popen(
        [SERVER, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"],
        stdout=subprocess.DEVNULL,
    )
    try:
        _wait_until_listening(process, port)
        yield
    finally:
        process.kill()
        process.wait()


def _wait_until_listening(process: "subprocess.Popen[bytes]", port: int) -> None:
    for _ in range(3_000):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            with contextlib.suppress(subprocess.TimeoutExpired):
                raise RuntimeError(f"the server ended with {process.wait(timeout=0.02)}") from None
        else:
            return
    raise RuntimeError("the server does not listen")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that is busy with other tests a quarter of a second is nothing."""
    monkeypatch.setattr(rate_limits, "PATIENCE_S", 30.0)


needs_server = pytest.mark.skipif(SERVER is None, reason="needs valkey-server or redis-server")


@needs_server
@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("scheme", ["redis", "valkey"])
async def test_replicas_count_together_and_atomically(scheme: str) -> None:
    port = free_port()
    with shared_server(port):
        counters = [SharedCounter(f"{scheme}://127.0.0.1:{port}/0") for _ in range(3)]
        async with asyncio.timeout(60):
            counted = await asyncio.gather(
                *(counter("together", 60) for _ in range(20) for counter in counters)
            )
        for counter in counters:
            await counter.aclose()

    assert sorted(counted) == list(range(1, 61))


@needs_server
@pytest.mark.usefixtures("patient")
async def test_without_the_server_each_counts_alone_says_so_once_and_comes_back() -> None:
    port = free_port()
    counters = [SharedCounter(f"redis://127.0.0.1:{port}/0") for _ in range(2)]
    with capture_logs() as lines:
        with shared_server(port):
            together = [await counter("a", 60) for _ in range(2) for counter in counters]
        alone = [await counter("b", 60) for counter in counters for _ in range(3)]
        with shared_server(port):
            async with asyncio.timeout(60):
                while any(counter._search for counter in counters):  # noqa: ASYNC110 - their own tasks end
                    await asyncio.sleep(0.05)
            back = [await counter("c", 60) for counter in counters]
        for counter in counters:
            await counter.aclose()

    assert together == [1, 2, 3, 4]
    assert alone == [1, 2, 3, 1, 2, 3]
    assert back == [1, 2]
    told = [line["event"] for line in lines]
    assert told.count("rate_limits.counting_alone") == 2
    assert told.count("rate_limits.counting_together") == 2


@needs_server
@pytest.mark.usefixtures("patient")
async def test_two_backends_share_what_a_user_has(database: Database) -> None:
    port = free_port()
    address = SecretStr(f"redis://127.0.0.1:{port}/0")
    with (
        shared_server(port),
        supabase_on(database.cluster, database.name) as supabase,
        backend(database, supabase, lingualink_rate_limit=8, lingualink_rate_limit_url=address) as one,
        backend(database, supabase, lingualink_rate_limit=8, lingualink_rate_limit_url=address) as other,
    ):
        async with sign_ups(supabase) as http:
            person = await open_account(database, http)
        answers = [
            answer
            for _ in range(10)
            for running in (one, other)
            for answer in await statuses(running, "/wallet", 1, **person.headers())
        ]

    minutes, left = [list[int]()], 60
    for answer in answers:
        until = int(answer.headers["RateLimit"].rpartition("=")[2])
        if until > left:
            minutes.append([])  # it turned in between
        left = until
        minutes[-1].append(answer.status_code)
    for seen in minutes:
        assert seen == [200] * min(8, len(seen)) + [429] * (len(seen) - 8)
