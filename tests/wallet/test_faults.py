"""What the wallet answers while its database fails it, and how it heals."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from bootstrap.app import create_app
from devstack.postgres import LocalPostgres
from infrastructure.settings import Settings
from support.accounts import Account, is_problem, open_account, sign_ups, stored
from support.database import Database, cloned, make_template
from support.ledger import proven
from support.ports import free_port
from support.stack import SupabaseStack, postgres_cluster, serve_in_thread, supabase_on
from support.stopwatch import stopwatch
from support.tcp_proxy import CutPoint, TcpProxy, proxy_to

pytestmark = pytest.mark.anyio

BOUND_S = 5.0


@dataclass(frozen=True, slots=True)
class Line:
    """A backend that reaches its database through a proxy, and two people with money."""

    database: Database
    supabase: SupabaseStack
    proxy: TcpProxy
    http: httpx.AsyncClient
    payer: Account
    payee: Account
    admin: Account

    async def pay(self, key: str, amount: str = "1.00") -> httpx.Response:
        """The payer pays the payee."""
        return await self.http.post(
            "/wallet/transfers",
            json={"recipient_id": self.payee.id, "amount": amount},
            headers=self.payer.headers(key),
        )

    async def withdraw(self, key: str) -> httpx.Response:
        """The payer takes a unit out."""
        return await self.http.post(
            "/wallet/withdrawals", json={"amount": "1.00"}, headers=self.payer.headers(key)
        )

    async def settle(self, withdrawal_id: str, outcome: str) -> httpx.Response:
        """The admin says how it ended."""
        return await self.http.post(
            f"/vault/withdrawals/{withdrawal_id}/settlement",
            json={"outcome": outcome},
            headers=self.admin.headers(),
        )


@pytest.fixture(scope="module")
def supabase(projects: Any) -> Iterator[tuple[Database, SupabaseStack]]:
    with cloned(projects) as made, supabase_on(projects, made.name) as stack:
        yield made, stack


@pytest.fixture
async def line(supabase: tuple[Database, SupabaseStack]) -> AsyncIterator[Line]:
    database, stack = supabase
    async with line_to(database, stack) as made:
        yield made


@asynccontextmanager
async def line_to(database: Database, stack: SupabaseStack, **changes: Any) -> AsyncIterator[Line]:
    with proxy_to(database.service_url) as proxy:
        settings = Settings(
            database_url=SecretStr(proxy.url),
            lingualink_database_pooler=database.pooler,
            supabase_url=stack.url,
            supabase_secret_key=SecretStr(stack.secret_key),
            lingualink_pool_size=1,
            lingualink_relay="off",
            **changes,
        )
        with serve_in_thread(create_app(settings), free_port()) as url:
            async with sign_ups(stack) as http, httpx.AsyncClient(base_url=url, timeout=30) as client:
                payer = await open_account(database, http, "50.00")
                payee = await open_account(database, http, "50.00")
                admin = await open_account(database, http, role="admin")
                yield Line(database, stack, proxy, client, payer, payee, admin)


async def test_a_connection_cut_before_the_commit_moves_nothing_and_the_retry_does(line: Line) -> None:
    line.proxy.cut_next(CutPoint.BEFORE_COMMIT)

    cut = await line.pay("cut before")
    balance = await stored(line.database, line.payer)
    retried = await line.pay("cut before")

    assert (cut.status_code, is_problem(cut), cut.headers["Retry-After"]) == (503, True, "1")
    assert line.proxy.cut == [CutPoint.BEFORE_COMMIT]
    assert balance == (Decimal("50.00"), 1)
    assert retried.status_code == 201
    assert "Idempotency-Replayed" not in retried.headers


async def test_a_commit_whose_answer_is_lost_is_found_by_the_same_key(line: Line) -> None:
    line.proxy.cut_next(CutPoint.AFTER_COMMIT)

    cut = await line.pay("cut after")
    balance = await stored(line.database, line.payer)
    retried = await line.pay("cut after")

    assert (cut.status_code, is_problem(cut), cut.headers["Retry-After"]) == (503, True, "1")
    assert line.proxy.cut == [CutPoint.AFTER_COMMIT]
    assert balance == (Decimal("49.00"), 2)
    assert retried.status_code == 201
    assert retried.headers["Idempotency-Replayed"] == "true"
    assert await stored(line.database, line.payer) == balance


async def test_a_settlement_whose_answer_is_lost_is_found_by_asking_again(line: Line) -> None:
    withdrawal_id = (await line.withdraw("w")).json()["withdrawal"]["id"]
    line.proxy.cut_next(CutPoint.AFTER_COMMIT)

    cut = await line.settle(withdrawal_id, "failed")
    retried = await line.settle(withdrawal_id, "failed")

    assert (cut.status_code, retried.status_code) == (503, 200)
    assert await stored(line.database, line.payer) == (Decimal("50.00"), 3)


async def test_a_connection_that_was_cut_while_idle_is_never_handed_out(line: Line) -> None:
    await line.pay("first")
    line.proxy.cut_all()

    answers = [await line.pay(f"after {number}") for number in range(3)]

    # The very first may have been on its way when the cut was noticed; no broken connection stays in the pool.
    assert [answer.status_code for answer in answers[1:]] == [201, 201]
    assert answers[0].status_code in {201, 503}


async def test_a_network_that_swallows_is_answered_in_time_and_forgotten_after(line: Line) -> None:
    await line.pay("first")
    line.proxy.freeze()

    with stopwatch() as answered:
        swallowed = await line.pay("swallowed")
    line.proxy.thaw()
    with stopwatch() as since:
        while (healed := await line.pay("swallowed")).status_code == 503:
            assert since.seconds < BOUND_S

    assert (swallowed.status_code, swallowed.headers["Retry-After"]) == (503, "1")
    assert answered.seconds < BOUND_S
    assert healed.status_code == 201
    assert await proven(line.database) == []


@pytest.mark.parametrize(
    "path",
    [
        "/profile",
        "/wallet",
        "/wallet/transactions",
        "/vault/posts",
        "/vault/users?query=a",
        "/vault/audit-log",
        "/health/ready",
    ],
)
async def test_every_way_to_a_frozen_database_is_answered_in_time(line: Line, path: str) -> None:
    headers = line.admin.headers()
    while (before := await line.http.get(path, headers=headers)).status_code == 503:
        pass  # a first connection may be late
    assert before.is_success
    line.proxy.freeze()

    with stopwatch() as answered:
        frozen = await line.http.get(path, headers=headers)

    assert answered.seconds < BOUND_S
    assert path == "/health/ready" or (frozen.status_code, frozen.headers["Retry-After"]) == (503, "1")


@pytest.fixture
def mortal() -> Iterator[tuple[LocalPostgres, Database, SupabaseStack]]:
    """A cluster that a test may stop."""
    with postgres_cluster() as cluster:
        make_template(cluster)
        with cloned(cluster) as database, supabase_on(cluster, database.name) as stack:
            yield cluster, database, stack


async def test_a_restart_of_the_database_needs_no_restart_of_the_backend(
    mortal: tuple[LocalPostgres, Database, SupabaseStack],
) -> None:
    cluster, database, stack = mortal
    async with line_to(database, stack) as line:
        await line.pay("before")
        cluster.stop()
        with stopwatch() as answered:
            down = [await line.pay("down"), await line.http.get("/wallet", headers=line.payer.headers())]
        ready, live = await line.http.get("/health/ready"), await line.http.get("/health/live")
        cluster.start()
        with stopwatch() as since:
            while (up := await line.pay("down")).status_code == 503:
                assert since.seconds < BOUND_S

    assert [answer.status_code for answer in down] == [503, 503]
    assert all(is_problem(answer) and answer.headers["Retry-After"] for answer in down)
    assert answered.seconds < BOUND_S
    assert (ready.status_code, live.status_code) == (503, 200)
    assert up.status_code == 201
