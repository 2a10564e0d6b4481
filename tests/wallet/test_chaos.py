"""kill -9 and cut connections under load: in the end the database says what the clients were told, to the cent."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID, uuid4

import httpx
import pytest

from devstack.postgres import LocalPostgres
from support.accounts import Account, open_account, sign_ups
from support.backend import backend_process
from support.database import Database, cloned
from support.forms import sized
from support.ledger import proven
from support.ports import free_port
from support.stack import SupabaseStack, supabase_on
from support.tcp_proxy import CutPoint, TcpProxy, proxy_to

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(sized(300, 900))]

CLIENTS = sized(12, 30)
SECONDS = sized(12, 300)
KILLS = sized(2, 10)
FIRST = Decimal("500.00")


@dataclass
class Service:
    """The backend behind the proxy, which can be killed; ``up`` is set while it answers."""

    database: Database
    supabase: SupabaseStack
    proxy: TcpProxy
    port: int = field(default_factory=free_port)
    up: asyncio.Event = field(default_factory=asyncio.Event)
    _running: ExitStack = field(default_factory=ExitStack)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it, and return when it is ready."""
        changes = {"DATABASE_URL": self.proxy.url}
        process = backend_process(self.database, self.supabase, self.port, changes)
        await asyncio.to_thread(self._running.enter_context, process)
        self.up.set()

    async def kill(self) -> None:
        """Kill -9, whatever it is doing."""
        self.up.clear()
        await asyncio.to_thread(self._running.close)


@dataclass
class Book:
    """What the clients were told: each key once."""

    balances: dict[str, Decimal]
    told: Counter[str] = field(default_factory=Counter)
    repeats: Counter[str] = field(default_factory=Counter)

    def enter(self, payer: Account, payee: Account | None, amount: Decimal, answer: httpx.Response) -> None:
        """Note a final answer."""
        if answer.status_code == 201:
            self.told["transfer" if payee else "withdrawal"] += 1
            self.balances[payer.id] -= amount
            if payee:
                self.balances[payee.id] += amount
            return
        assert (answer.status_code, answer.json()["code"]) == (409, "insufficient_funds"), answer.text
        self.told["refusal"] += 1

    def settle(self, payer: Account, amount: Decimal, outcome: str, answer: httpx.Response) -> None:
        """Note how a withdrawal ended."""
        assert (answer.status_code, answer.json()["status"]) == (200, outcome), answer.text
        self.told[outcome] += 1
        if outcome == "failed":
            self.balances[payer.id] += amount


@pytest.fixture
def parts(projects: LocalPostgres) -> Iterator[tuple[Database, SupabaseStack, TcpProxy]]:
    with (
        cloned(projects) as database,
        supabase_on(projects, database.name) as supabase,
        proxy_to(database.service_url) as proxy,
    ):
        yield database, supabase, proxy


@pytest.fixture
async def service(parts: tuple[Database, SupabaseStack, TcpProxy]) -> AsyncIterator[Service]:
    made = Service(*parts)
    await made.start()
    yield made
    await made.kill()


async def _answer(
    service: Service, http: httpx.AsyncClient, book: Book, path: str, **sent: object
) -> httpx.Response:
    """Ask until there is an answer, with the same key each time, as a careful client does."""
    while True:
        await service.up.wait()
        try:
            answer = await http.post(service.url + path, **sent)  # type: ignore[arg-type]
        except httpx.TransportError as error:
            book.repeats[type(error).__name__] += 1
            await asyncio.sleep(0.05)  # the client's own pause
            continue
        if "Retry-After" not in answer.headers:
            return answer
        book.repeats[answer.json()["code"]] += 1
        await asyncio.sleep(0.05)


async def _client(
    service: Service, payer: Account, people: list[Account], admin: Account, book: Book, end: float
) -> None:
    dice = random.Random(payer.id)  # noqa: S311 - a history, not a secret
    async with httpx.AsyncClient(timeout=30) as http:
        while time.monotonic() < end:
            key, amount = str(uuid4()), Decimal(dice.randint(1, 2000)) / 100
            headers = payer.headers(key)
            if dice.random() < 0.2:
                sent = {"amount": str(amount)}
                answer = await _answer(service, http, book, "/wallet/withdrawals", json=sent, headers=headers)
                book.enter(payer, None, amount, answer)
                if answer.status_code == 201:
                    outcome = dice.choice(["completed", "failed", "failed", "failed"])
                    path = f"/vault/withdrawals/{answer.json()['withdrawal']['id']}/settlement"
                    settled = {"outcome": outcome}
                    answer = await _answer(service, http, book, path, json=settled, headers=admin.headers())
                    book.settle(payer, amount, outcome, answer)
                continue
            payee = dice.choice([each for each in people if each is not payer])
            sent = {"recipient_id": payee.id, "amount": str(amount)}
            answer = await _answer(service, http, book, "/wallet/transfers", json=sent, headers=headers)
            book.enter(payer, payee, amount, answer)


async def _trouble(service: Service) -> None:
    """Cut, cut all, kill, in a steady beat."""
    for turn in range(KILLS * 3):
        await asyncio.sleep(SECONDS / (KILLS * 3 + 1))  # the beat of the trouble
        service.proxy.cut_next(*[CutPoint.BEFORE_COMMIT, CutPoint.AFTER_COMMIT] * 5)
        if turn % 3 == 1:
            service.proxy.cut_all()
        elif turn % 3 == 2:
            await service.kill()
            await service.start()


async def test_what_clients_were_told_is_what_the_database_says(service: Service) -> None:
    async with sign_ups(service.supabase) as sign_up:
        people = [await open_account(service.database, sign_up, str(FIRST)) for _ in range(CLIENTS)]
        admin = await open_account(service.database, sign_up, role="admin")
    book = Book({person.id: FIRST for person in people})
    end = time.monotonic() + SECONDS

    await asyncio.gather(
        *(_client(service, person, people, admin, book, end) for person in people), _trouble(service)
    )

    cuts = Counter(cut_point.name for cut_point in service.proxy.cut)
    print(f"told {dict(book.told)}, repeated {dict(book.repeats)}, kills {KILLS}, cuts {dict(cuts)}")  # noqa: T201
    assert set(service.proxy.cut) == set(CutPoint)
    rows = await service.database.fetch("select user_id, balance from public.wallets where version > 0")
    assert {str(UUID(int=row["user_id"].int)): row["balance"] for row in rows} == book.balances
    counts = await service.database.fetch(
        """
        select kind, count(*) from public.wallet_transactions where kind <> 'opening' group by kind
        union all select 'audited', count(*) from private.audit_log
        """
    )
    told = book.told
    assert {row["kind"]: row["count"] for row in counts} == {
        "transfer_out": told["transfer"],
        "transfer_in": told["transfer"],
        "withdrawal": told["withdrawal"],
        "reversal": told["failed"],
        "audited": told["withdrawal"],
    }
    assert await proven(service.database) == []
