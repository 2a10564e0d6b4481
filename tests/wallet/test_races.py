"""Many clients at once, over HTTP, against two server processes on one database."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal

import httpx
import pytest

from devstack.postgres import LocalPostgres
from support.accounts import Account, open_account, sign_ups, stored
from support.backend import KEPT, backend_process
from support.database import Database, cloned
from support.forms import sized
from support.ledger import proven
from support.ports import free_port
from support.stack import SupabaseStack, supabase_on

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(sized(300, 600))]

CALLS = 200


@dataclass(frozen=True, slots=True)
class Cluster:
    """Two servers, and a client that takes turns between them."""

    database: Database
    supabase: SupabaseStack
    http: httpx.AsyncClient
    turns: Iterator[str]

    async def account(self, balance: str = "0.00") -> Account:
        """Somebody with money."""
        async with sign_ups(self.supabase) as http:
            return await open_account(self.database, http, balance)

    async def pay(self, payer: Account, payee: Account, amount: str, key: str) -> httpx.Response:
        """One request to the server whose turn it is."""
        return await self.http.post(
            f"{next(self.turns)}/wallet/transfers",
            json={"recipient_id": payee.id, "amount": amount},
            headers=payer.headers(key),
        )

    async def settled(self, payer: Account, payee: Account, amount: str, key: str) -> httpx.Response:
        """The same, repeated for as long as the answer is that it may be repeated."""
        for _ in range(CALLS):
            answer = await self.pay(payer, payee, amount, key)
            if "Retry-After" not in answer.headers:
                return answer
        raise AssertionError(f"no answer to {key}")


@pytest.fixture(scope="module")
def servers(projects: LocalPostgres) -> Iterator[tuple[Database, SupabaseStack, list[str]]]:
    with ExitStack() as stack:
        database = stack.enter_context(cloned(projects))
        supabase = stack.enter_context(supabase_on(projects, database.name))
        ports = [free_port(), free_port()]
        for port in ports:
            stack.enter_context(backend_process(database, supabase, port))
        yield database, supabase, [f"http://127.0.0.1:{port}" for port in ports]


@pytest.fixture
async def two(servers: tuple[Database, SupabaseStack, list[str]]) -> AsyncIterator[Cluster]:
    database, supabase, urls = servers
    async with httpx.AsyncClient(timeout=60, limits=KEPT) as http:
        yield Cluster(database, supabase, http, itertools.cycle(urls))
    assert await proven(database) == []


async def test_simultaneous_retries_of_a_key_are_one_transaction_with_one_answer(two: Cluster) -> None:
    keys, retries = sized(12, 200), sized(24, 64)
    payer, payee = await two.account("500.00"), await two.account()

    bodies: dict[str, set[bytes]] = {}
    replays = 0
    for number in range(keys):
        key = f"key {number}"
        answers = await asyncio.gather(*(two.settled(payer, payee, "1.00", key) for _ in range(retries)))
        assert {answer.status_code for answer in answers} == {201}
        bodies[key] = {answer.content for answer in answers}
        replays += sum("Idempotency-Replayed" in answer.headers for answer in answers)

    assert [len(each) for each in bodies.values()] == [1] * keys
    assert replays == keys * (retries - 1)
    assert await stored(two.database, payer) == (Decimal(500 - keys), 1 + keys)
    assert await stored(two.database, payee) == (Decimal(keys), keys)


async def test_two_hundred_debits_on_fifty_are_fifty_successes(two: Cluster) -> None:
    payer, payee = await two.account("50.00"), await two.account()

    answers = await asyncio.gather(
        *(two.settled(payer, payee, "1.00", f"debit {number}") for number in range(200))
    )

    assert Counter(answer.status_code for answer in answers) == {201: 50, 409: 150}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {
        "insufficient_funds"
    }
    assert await stored(two.database, payer) == (Decimal(0), 51)


async def deadlocks(database: Database) -> int:
    """How many there were: each party would be served again, and nobody told."""
    [row] = await database.fetch("select deadlocks from pg_stat_database where datname = current_database()")
    return int(row["deadlocks"])


async def test_money_going_both_ways_meets_no_deadlock_and_adds_up_at_every_instant(two: Cluster) -> None:
    one, other = await two.account("500.00"), await two.account("500.00")
    end = time.monotonic() + sized(3, 60)
    seen: Counter[int] = Counter()

    async def worker(number: int) -> None:
        payer, payee = (one, other) if number % 2 else (other, one)
        for count in itertools.count():
            if time.monotonic() > end:
                return
            seen[(await two.settled(payer, payee, "1.00", f"{number} {count}")).status_code] += 1

    async def auditor() -> None:
        while True:
            assert await proven(two.database) == []
            if time.monotonic() > end:
                return

    await asyncio.gather(*(worker(number) for number in range(16)), auditor())

    print(f"both ways: {dict(seen)}")  # noqa: T201 - a figure of the full form
    assert set(seen) <= {201, 409}
    assert await deadlocks(two.database) == 0
    balances = [await stored(two.database, person) for person in (one, other)]
    assert sum(balance for balance, _ in balances) == Decimal("1000.00")
    assert [version for _, version in balances] == [seen[201] + 1] * 2


async def test_a_wallet_that_everybody_tips_stays_right_and_fails_only_softly(two: Cluster) -> None:
    star = await two.account()
    fans = [await two.account("100.00") for _ in range(sized(10, 30))]
    tips = sized(10, 50)

    async def tip(fan: Account) -> list[httpx.Response]:
        return [await two.pay(fan, star, "1.00", f"tip {number}") for number in range(tips)]

    answers = [answer for told in await asyncio.gather(*map(tip, fans)) for answer in told]

    seen = Counter(answer.status_code for answer in answers)
    print(f"hot wallet: {dict(seen)}")  # noqa: T201 - a figure of the full form
    assert set(seen) <= {201, 503}
    assert all(answer.headers["Retry-After"] for answer in answers if answer.status_code == 503)
    assert await stored(two.database, star) == (Decimal(seen[201]), seen[201])
