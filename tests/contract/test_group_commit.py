"""What a group of keyed requests promises beyond the contract: they share a transaction, and nobody pays for others."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import asyncpg
import pytest

from application.idempotency import StoredResponse
from application.transaction_context import Tx
from application.wallet.transfers import TransferCommand, TransferFunds
from application.wallet.withdrawals import WithdrawCommand, WithdrawFunds
from contract.backend import PostgresBackend, key_of, postgres_backend
from domain.errors import InsufficientFunds, InvalidInput, Unavailable
from domain.identity import Principal
from domain.money import Money
from domain.policies import Action
from domain.withdrawals import hold
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.grouped_transactions import GroupedDatabase
from infrastructure.postgres.pool import Pool
from infrastructure.postgres.transactions import AfterCommit
from support.database import Database
from support.ledger import findings
from support.tcp_proxy import CutPoint, TcpProxy, proxy_to

pytestmark = pytest.mark.anyio
PATH = "/wallet/withdrawals"


async def withdraw(backend: PostgresBackend, owner: Principal, key: str, amount: str = "1") -> StoredResponse:
    command = WithdrawCommand(Money.parse(amount))
    return await WithdrawFunds(backend.transactions)(owner, command, key_of(key, PATH, {"amount": amount}))


@dataclass(frozen=True, slots=True)
class Place:
    """A backend with one lane, whose database is reached through a proxy that counts, freezes and cuts."""

    backend: PostgresBackend
    proxy: TcpProxy
    database: Database

    async def withdraw(self, owner: Principal, key: str, amount: str = "1") -> StoredResponse:
        return await withdraw(self.backend, owner, key, amount)

    async def transfer(self, sender: Principal, recipient: Principal, key: str) -> StoredResponse:
        """A dollar."""
        command = TransferCommand(recipient.user_id, Money.parse("1"), "")
        request = key_of(key, "/wallet/transfers", {})
        return await TransferFunds(self.backend.transactions)(sender, command, request)

    async def decide(self, owner: Principal, key: str, decide: Callable[[Tx[None]], str]) -> StoredResponse:
        """A request with a decision of the test's own."""
        request = key_of(key, PATH, {})
        transactions = self.backend.transactions
        return await transactions.run_idempotent(
            owner, Action.WITHDRAW, request, decide, wallets={owner.user_id}
        )

    async def behind_another(self, *requests: Any) -> list[Any]:
        """The answers of *requests*, or their errors; all arrive while another group is under way."""
        first = asyncio.create_task(self.withdraw(await self.backend.user(balance="1.00"), "first"))
        await asyncio.sleep(0)
        later = [asyncio.ensure_future(request) for request in requests]
        await first
        return list(await asyncio.gather(*later, return_exceptions=True))

    @asynccontextmanager
    async def waiting_for_its_lock(
        self, owner: Principal | None = None
    ) -> AsyncIterator["asyncio.Task[StoredResponse]"]:
        """A request, of *owner*'s, that is under way until the block ends."""
        stuck = owner or await self.backend.user(balance="1.00")
        other = await asyncpg.connect(self.database.superuser_url)
        try:
            await other.execute("begin")
            await other.execute("select from public.wallets where user_id = $1 for update", stuck.user_id)
            waiting = asyncio.create_task(self.withdraw(stuck, "waits"))
            await asyncio.sleep(0)
            yield waiting
            await other.execute("rollback")
            await waiting
        finally:
            await other.close()

    @asynccontextmanager
    async def two_in_a_row(
        self, balance_behind: str
    ) -> AsyncIterator[tuple["asyncio.Task[StoredResponse]", "asyncio.Task[StoredResponse]"]]:
        """A payment that waits for a wallet until the block ends, and behind it who spends what it brings."""
        owner, other = (
            await self.backend.user(balance="2.00"),
            await self.backend.user(balance=balance_behind),
        )
        async with self.waiting_for_its_lock(owner):
            pays = asyncio.create_task(self.transfer(owner, other, "pays"))
            spends = asyncio.create_task(self.withdraw(other, "spends"))
            bystander = await self.backend.user(balance="1.00")
            assert (await self.withdraw(bystander, "key")).status == 201
            assert not spends.done()
            yield pays, spends

    def commits(self) -> int:
        return sum(statement.lower() == "commit" for statement in self.proxy.statements)

    async def posted(self, owner: Principal) -> int:
        """How many withdrawals of *owner* there are."""
        return len([row for row in await self.backend.ledger(owner) if row.kind == "withdrawal"])


@pytest.fixture
async def place(database: Database) -> AsyncIterator[Place]:
    one_lane = partial(GroupedDatabase, lanes=1)
    await database.be_patient()
    with proxy_to(database.service_url) as proxy:
        service = DatabaseAddress.parse(proxy.url, pooler=database.pooler)
        async with postgres_backend(database, one_lane, service) as backend:
            yield Place(backend, proxy, database)


def status(answer: Any) -> object:
    return answer.status if isinstance(answer, StoredResponse) else type(answer)


async def test_a_lone_request_costs_what_it_costs_alone(place: Place) -> None:
    owner = await place.backend.user(balance="5.00")
    await place.withdraw(owner, "connects")
    before = len(place.proxy.statements)

    await place.withdraw(owner, "counted")

    assert len(place.proxy.statements) - before == 4


async def test_requests_that_arrive_while_one_is_under_way_share_one_transaction(place: Place) -> None:
    owners = [await place.backend.user(balance="1.00") for _ in range(20)]

    answers = await place.behind_another(*(place.withdraw(owner, "key") for owner in owners))

    assert [answer.status for answer in answers] == [201] * 20
    assert place.commits() == 2
    assert [await place.posted(owner) for owner in owners] == [1] * 20


async def test_two_groups_under_way_never_want_one_wallet(database: Database) -> None:
    """Whoever pays a wallet that is being paid waits for its turn, not for a lock that may not come in time."""
    with proxy_to(database.service_url) as proxy:
        service = DatabaseAddress.parse(proxy.url, pooler=database.pooler)
        async with postgres_backend(database, GroupedDatabase, service) as backend:
            place = Place(backend, proxy, database)
            hot, other = [await backend.user(balance="9.00") for _ in range(2)]
            await asyncio.gather(*(place.withdraw(owner, "connects") for owner in (hot, other)))
            proxy.statements.clear()
            first = asyncio.create_task(place.withdraw(hot, "first"))
            await asyncio.sleep(0)
            await asyncio.sleep(0)  # its group is under way, and there is a second lane
            rest = [place.withdraw(owner, key) for owner, key in ((hot, "a"), (other, "b"), (hot, "c"))]
            answers = await asyncio.gather(first, *rest)

    commands = [text.split(";")[0].lower() for text in proxy.statements]
    begins = [place for place, text in enumerate(commands) if text == "begin"]
    assert [answer.status for answer in answers] == [201] * 4
    # The two of the hot wallet together, behind the first; without them the other's, who waited for nobody.
    assert len(begins) == 3
    assert begins[2] > commands.index("commit")
    assert not await findings(database)


async def test_what_a_transaction_asks_is_planned_once_for_each_connection(database: Database) -> None:
    """With a plan of its own for each length of its arrays, a statement would cost as much again."""
    pools = list[Pool]()

    def on_one_connection(pool: Pool, after_commit: AfterCommit) -> GroupedDatabase:
        pools.append(pool)
        return GroupedDatabase(pool, after_commit, lanes=1)

    async with postgres_backend(database, on_one_connection) as backend:
        owners = [await backend.user(balance="99.00") for _ in range(3)]
        for number in range(6):  # from the sixth time on, PostgreSQL chooses
            await withdraw(backend, owners[0], f"lone {number}")
            await asyncio.gather(*(withdraw(backend, owner, f"{number}") for owner in owners))
        asked = await pools[0].fetch(
            "select generic_plans, custom_plans from pg_prepared_statements "
            "where statement like '%private.idempotency_keys%'"
        )

    assert asked or database.pooler == "transaction"
    assert all(row["custom_plans"] == 0 < row["generic_plans"] for row in asked), asked


async def test_a_group_has_a_bounded_size(place: Place) -> None:
    owners = [await place.backend.user(balance="1.00") for _ in range(33)]

    await place.behind_another(*(place.withdraw(owner, "key") for owner in owners))

    assert place.commits() == 3


async def test_each_decides_on_what_its_predecessors_left(place: Place) -> None:
    owner = await place.backend.user(balance="3.00")

    answers = await place.behind_another(*(place.withdraw(owner, f"key {n}") for n in range(5)))

    assert [status(answer) for answer in answers] == [201, 201, 201, InsufficientFunds, InsufficientFunds]
    assert [row.version for row in await place.backend.ledger(owner)] == [1, 2, 3, 4]
    assert await findings(place.database) == []  # each hash is over its predecessor's in the same group
    assert place.commits() == 2


async def test_nobody_overtakes_who_waits_for_the_same_wallet(place: Place) -> None:
    """Else who wants two wallets that others pay all the time would never have both at once."""
    async with place.two_in_a_row(balance_behind="0.50") as (pays, spends):
        pass

    assert (await pays).status == (await spends).status == 201


async def test_who_gives_up_waiting_makes_way_for_those_behind(place: Place) -> None:
    async with place.two_in_a_row(balance_behind="1.00") as (leaves, behind):
        leaves.cancel()

        assert (await behind).status == 201


async def test_two_requests_with_one_key_are_never_in_one_group(place: Place) -> None:
    owner = await place.backend.user(balance="3.00")

    one, other = await place.behind_another(place.withdraw(owner, "key"), place.withdraw(owner, "key"))

    assert (one.status, one.replayed, other.replayed) == (201, False, True)
    assert one.body == other.body
    assert await place.posted(owner) == 1


async def test_a_refusal_that_does_not_stick_leaves_the_key_free_and_the_others_alone(place: Place) -> None:
    clumsy, careful = await place.backend.user(balance="1.00"), await place.backend.user(balance="1.00")

    def refuse(_: Tx[None]) -> str:
        raise InvalidInput("not like this")

    def stumble(_: Tx[None]) -> str:
        raise RuntimeError("a mistake of ours")

    refused, broken, answer = await place.behind_another(
        place.decide(clumsy, "refused", refuse),
        place.decide(clumsy, "broken", stumble),
        place.withdraw(careful, "key"),
    )

    assert (status(refused), status(broken), answer.status) == (InvalidInput, RuntimeError, 201)
    assert place.commits() == 2
    kept = await place.database.fetch("select key from private.idempotency_keys order by key")
    assert [row["key"] for row in kept] == ["first", "key"]


async def test_who_fails_after_it_posted_leaves_nothing_and_the_next_goes_on_from_what_was_before(
    place: Place,
) -> None:
    owner = await place.backend.user(balance="3.00")

    def post_and_stumble(tx: Tx[None]) -> str:
        _hold(tx, owner)
        raise RuntimeError("a mistake of ours")

    def post_and_refuse(tx: Tx[None]) -> str:
        _hold(tx, owner)
        raise InsufficientFunds

    answers = await place.behind_another(
        place.withdraw(owner, "before"),
        place.decide(owner, "broken", post_and_stumble),
        place.decide(owner, "refused", post_and_refuse),
        place.withdraw(owner, "after"),
    )

    assert [status(answer) for answer in answers] == [201, RuntimeError, InsufficientFunds, 201]
    assert [(row.version, str(row.balance_after)) for row in await place.backend.ledger(owner)] == [
        *((1, "3.00"), (2, "2.00"), (3, "1.00")),
    ]
    assert await findings(place.database) == []
    assert place.commits() == 2


def _hold(tx: Tx[None], owner: Principal) -> None:
    """Take a unit of *owner*'s out."""
    ids = (tx.new_id(), tx.new_id())
    held = hold(tx.wallets[owner.user_id], Money.parse("1"), ids=ids, at=tx.now, note=None)
    tx.post(held.transaction)
    tx.writes.withdrawals.append(held.withdrawal)


async def test_who_leaves_before_its_decision_takes_nothing_along(place: Place) -> None:
    leaving, staying = await place.backend.user(balance="1.00"), await place.backend.user(balance="1.00")
    left: list[asyncio.Task[Any]] = []

    def send_away(_: Tx[None]) -> str:
        left[0].cancel()
        return "stays"

    first = asyncio.create_task(place.withdraw(await place.backend.user(balance="1.00"), "first"))
    await asyncio.sleep(0)
    stays = asyncio.create_task(place.decide(staying, "stays", send_away))
    await asyncio.sleep(0)
    left.append(asyncio.create_task(place.withdraw(leaving, "leaves")))
    await first

    assert (await stays).status == 201
    with pytest.raises(asyncio.CancelledError):
        await left[0]
    assert await place.posted(leaving) == 0
    assert (await place.withdraw(leaving, "leaves")).replayed is False


async def test_who_leaves_after_its_decision_has_paid(place: Place) -> None:
    leaving, staying = await place.backend.user(balance="1.00"), await place.backend.user(balance="1.00")
    tasks: list[asyncio.Task[Any]] = []

    def pay_and_go(tx: Tx[None]) -> str:
        _hold(tx, leaving)
        tasks[0].cancel()
        return "paid"

    first = asyncio.create_task(place.withdraw(await place.backend.user(balance="1.00"), "first"))
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(place.decide(leaving, "leaves", pay_and_go)))
    stays = asyncio.create_task(place.withdraw(staying, "stays"))
    await first

    assert (await stays).status == 201
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert await place.posted(leaving) == 1
    again = await place.decide(leaving, "leaves", pay_and_go)
    assert again.replayed is True


async def test_a_lock_that_is_not_to_be_had_at_once_holds_up_nobody_else(place: Place) -> None:
    free = await place.backend.user(balance="1.00")

    async with place.waiting_for_its_lock() as waiting:
        assert (await place.withdraw(free, "goes")).status == 201
        assert not waiting.done()

    assert waiting.result().status == 201


@pytest.mark.parametrize("cut_point", [CutPoint.BEFORE_COMMIT, CutPoint.AFTER_COMMIT])
async def test_after_a_commit_of_unknown_outcome_all_are_told_so_and_their_keys_know(
    place: Place, cut_point: CutPoint
) -> None:
    owners = [await place.backend.user(balance="1.00") for _ in range(5)]
    async with place.waiting_for_its_lock():
        place.proxy.cut_next(cut_point)
        answers = await asyncio.gather(
            *(place.withdraw(owner, "key") for owner in owners), return_exceptions=True
        )

    assert [status(answer) for answer in answers] == [Unavailable] * 5
    again = [await place.withdraw(owner, "key") for owner in owners]
    assert [answer.status for answer in again] == [201] * 5
    assert {answer.replayed for answer in again} == {cut_point is CutPoint.AFTER_COMMIT}
    assert [await place.posted(owner) for owner in owners] == [1] * 5


async def test_a_connection_that_is_cut_before_the_commit_costs_nobody_anything(place: Place) -> None:
    owners = [await place.backend.user(balance="1.00") for _ in range(3)]

    def cut(_: Tx[None]) -> str:
        place.proxy.cut_all()
        return "decided"

    async with place.waiting_for_its_lock() as waiting:
        requests = [place.withdraw(owner, "key") for owner in owners[:2]]
        answers = await asyncio.gather(*requests, place.decide(owners[2], "key", _once(cut)))

    assert waiting.result().status == 201
    assert [status(answer) for answer in answers] == [201] * 3
    assert [await place.posted(owner) for owner in owners[:2]] == [1, 1]
    assert (await place.decide(owners[0], "lone", _once(cut))).status == 201


def _once(decide: Callable[[Tx[None]], str]) -> Callable[[Tx[None]], str]:
    """*decide* at the first attempt; later ones go undisturbed."""
    attempts: list[None] = []

    def decision(tx: Tx[None]) -> str:
        attempts.append(None)
        return decide(tx) if len(attempts) == 1 else "decided"

    return decision
