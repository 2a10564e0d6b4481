"""Any sequence of operations, in memory and on Postgres side by side: the same answers, and the invariants hold."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from application.encoding import to_json
from application.idempotency import IdempotencyKey, StoredResponse
from application.vault.adjustments import AdjustBalance, AdjustCommand
from application.vault.withdrawals import SettleCommand, SettleWithdrawal
from application.wallet.transfers import PostedTransaction, TransferCommand, TransferFunds
from application.wallet.withdrawals import PostedWithdrawal, WithdrawCommand, WithdrawFunds
from contract.backend import (
    Answer,
    Backend,
    MemoryBackend,
    OwedEvent,
    PostgresBackend,
    answered,
    key_of,
    postgres_backend,
)
from domain.audit import RequestInfo
from domain.errors import DomainError
from domain.identity import AccountStatus, Principal, Role
from domain.ledger import GENESIS
from domain.money import Money
from domain.wallet import TRANSFERS, Transaction, TransactionKind, Wallet
from domain.withdrawals import Withdrawal, WithdrawalStatus
from infrastructure.postgres.grouped_transactions import GroupedDatabase
from infrastructure.postgres.transactions import PostgresDatabase
from support.database import Database
from support.forms import sized
from support.ledger import proven

ORIGIN = RequestInfo("request", None)
OPENINGS = ("50.00", "1.00", "0.00", "99999990.00")
AMOUNTS = st.sampled_from(["0.0001", "0.005", "0.99", "1", "10", "25.50", "49.99", "50", "99999999.9999"])
PERSON = st.integers(0, len(OPENINGS))  # the last one is the admin
KEY = st.sampled_from(["a", "b", "c"]) | st.uuids().map(str)
OUTSIDE = {
    TransactionKind.OPENING,
    TransactionKind.BONUS,
    TransactionKind.REFUND,
    TransactionKind.PENALTY,
}

Step = Callable[[Backend, int], Coroutine[Any, Any, Any]]


@dataclass
class Pair:
    """The two backends, with the same people in both; and the withdrawals of each, in the order of their making."""

    postgres: PostgresBackend
    people: list[Principal] = field(default_factory=list)
    memory: MemoryBackend = field(default_factory=MemoryBackend)
    withdrawals: list[tuple[Withdrawal, Withdrawal]] = field(default_factory=list)

    @property
    def backends(self) -> tuple[Backend, Backend]:
        return self.memory, self.postgres

    async def admit(self) -> None:
        for role, balance in [*((Role.USER, balance) for balance in OPENINGS), (Role.ADMIN, "5.00")]:
            session = await self.postgres.user(role, balance)
            self.people.append(self.memory.admit(session, role, balance))

    async def both(self, step: Step) -> tuple[Any, Any]:
        """Take *step* in both backends; they must agree on everything but ids and times."""
        told = [await _outcome(step(backend, side)) for side, backend in enumerate(self.backends)]
        assert _plain(told[0]) == _plain(told[1])
        return told[0], told[1]

    async def at_once(self, payments: list[tuple[int, int, str]]) -> None:
        """One after the other in memory, together on Postgres; they must agree all the same."""

        def send(backend: Backend, payment: tuple[int, int, str], key: str) -> Coroutine[Any, Any, Any]:
            sender, recipient, amount = payment
            command = TransferCommand(self.people[recipient].user_id, Money.parse(amount), "n")
            request = _request(key, "/wallet/transfers", command)
            return _outcome(
                _posted(TransferFunds(backend.transactions)(self.people[sender], command, request))
            )

        keys = [str(uuid4()) for _ in payments]
        one_by_one = [
            await send(self.memory, payment, key) for payment, key in zip(payments, keys, strict=True)
        ]
        at_once = await asyncio.gather(
            *(send(self.postgres, payment, key) for payment, key in zip(payments, keys, strict=True))
        )
        assert list(map(_plain, one_by_one)) == list(map(_plain, at_once))


async def _outcome(step: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await step
    except DomainError as error:
        return error


def _plain(outcome: Any) -> object:
    """What an outcome says, without what differs from backend to backend."""
    match outcome:
        case Answer(result, replayed):
            return replayed, _plain(result)
        case PostedTransaction(row) | PostedWithdrawal(_, row):
            return row.user_id, row.kind, row.amount, row.balance_after, row.version, row.note
        case Withdrawal():
            return outcome.amount, outcome.status, outcome.settled_by, outcome.reason
    return type(outcome)


def _request(key: str, path: str, command: object) -> IdempotencyKey[Any]:
    return key_of(key, path, json.loads(to_json(command)))


async def _posted(response: Awaitable[StoredResponse]) -> Answer[PostedTransaction]:
    return answered(await response, PostedTransaction)


class LedgerMachine(RuleBasedStateMachine):
    """The rules are what people do; the invariants are reliability's, for both backends after each step."""

    runner: asyncio.Runner
    postgres: PostgresBackend

    @initialize()
    def people_with_money(self) -> None:
        self.pair = Pair(self.postgres)
        self.runner.run(self.pair.admit())

    @rule(sender=PERSON, recipient=PERSON, amount=AMOUNTS, key=KEY)
    def pay(self, sender: int, recipient: int, amount: str, key: str) -> None:
        people = self.pair.people
        command = TransferCommand(people[recipient].user_id, Money.parse(amount), "n")
        request = _request(key, "/wallet/transfers", command)
        self._both(
            lambda backend, _: _posted(TransferFunds(backend.transactions)(people[sender], command, request))
        )

    @rule(sender=PERSON, amount=AMOUNTS, key=KEY)
    def pay_nobody(self, sender: int, amount: str, key: str) -> None:
        command = TransferCommand(uuid4(), Money.parse(amount))
        request = _request(key, "/wallet/transfers", command)
        caller = self.pair.people[sender]
        self._both(lambda backend, _: _posted(TransferFunds(backend.transactions)(caller, command, request)))

    @rule(owner=PERSON, amount=AMOUNTS, key=KEY)
    def withdraw(self, owner: int, amount: str, key: str) -> None:
        command = WithdrawCommand(Money.parse(amount))
        request = _request(key, "/wallet/withdrawals", command)
        caller = self.pair.people[owner]

        async def withdrawn(backend: Backend) -> Answer[PostedWithdrawal]:
            response = await WithdrawFunds(backend.transactions)(caller, command, request)
            return answered(response, PostedWithdrawal)

        made = self._both(lambda backend, _: withdrawn(backend))
        if all(isinstance(answer, Answer) and not answer.replayed for answer in made):
            self.pair.withdrawals.append((made[0].result.withdrawal, made[1].result.withdrawal))

    @rule(which=st.integers(0, 3), outcome=st.sampled_from(["completed", "failed"]), caller=PERSON)
    def settle(self, which: int, outcome: str, caller: int) -> None:
        if which >= len(self.pair.withdrawals):
            return
        sides, who = self.pair.withdrawals[which], self.pair.people[caller]
        self._both(
            lambda backend, side: SettleWithdrawal(backend.transactions)(
                who, SettleCommand(sides[side].id, WithdrawalStatus(outcome), "r"), ORIGIN
            )
        )

    @rule(
        owner=PERSON,
        kind=st.sampled_from([TransactionKind.BONUS, TransactionKind.REFUND, TransactionKind.PENALTY]),
        amount=AMOUNTS,
        key=KEY,
        caller=st.sampled_from([0, len(OPENINGS)]),
    )
    def book(self, owner: int, kind: TransactionKind, amount: str, key: str, caller: int) -> None:
        people = self.pair.people
        command = AdjustCommand(people[owner].user_id, kind, Money.parse(amount), "n")
        request = _request(key, f"/vault/users/{command.user_id}/transactions", command)
        self._both(
            lambda backend, _: _posted(
                AdjustBalance(backend.transactions)(people[caller], command, request, ORIGIN)
            )
        )

    @rule(payments=st.lists(st.tuples(PERSON, PERSON, AMOUNTS), min_size=2, max_size=6))
    def pay_at_once(self, payments: list[tuple[int, int, str]]) -> None:
        """Payments that arrive together are decided as they came, each on what the one before it left."""
        self.runner.run(self.pair.at_once(payments))

    @rule(who=st.integers(0, 1), account_status=st.sampled_from([AccountStatus.BANNED, AccountStatus.ACTIVE]))
    def ban(self, who: int, account_status: AccountStatus) -> None:
        if self.runner.run(self._account_status(who)) != account_status:
            self._everywhere(who, account_status)

    @rule()
    def delete_the_third(self) -> None:
        if self.runner.run(self._account_status(2)) is not AccountStatus.DELETED:
            self._everywhere(2, AccountStatus.DELETED)

    @invariant()
    def the_books_hold(self) -> None:
        if hasattr(self, "pair"):
            self.runner.run(_check(self.pair))

    def _both(self, step: Step) -> tuple[Any, Any]:
        return self.runner.run(self.pair.both(step))

    async def _account_status(self, who: int) -> AccountStatus:
        account_statuses = self.pair.memory.tables.account_statuses
        return account_statuses.get(self.pair.people[who].user_id, AccountStatus.ACTIVE)

    def _everywhere(self, who: int, account_status: AccountStatus) -> None:
        for backend in self.pair.backends:
            self.runner.run(backend.has_account_status(self.pair.people[who], account_status))


async def _check(pair: Pair) -> None:
    ids = {person.user_id for person in pair.people}
    for backend in pair.backends:
        rows: list[Transaction] = []
        owed = [event for event in await backend.owed() if event.user_id in ids]
        for person in pair.people:
            ledger = list(await backend.ledger(person))
            wallet = await backend.wallet(person)
            _one_wallet(ledger, wallet.balance.amount, wallet.version)
            _one_chain(ledger, wallet.hash)
            _told(ledger, [event for event in owed if event.user_id == person.user_id])
            rows += ledger
        _conserved(rows)
        _balanced(rows, await backend.entries())


def _one_wallet(ledger: list[Transaction], balance: Decimal, version: int) -> None:
    """Balance = sum, versions without gaps, each balance the one before it and the amount, none below zero."""
    running = Decimal(0)
    for number, row in enumerate(ledger, 1):
        running += row.amount.amount
        assert row.version == number
        assert row.balance_after.amount == running >= 0
    assert (balance, version) == (running, len(ledger))


def _one_chain(ledger: list[Transaction], newest: bytes) -> None:
    """Each hash is over the one before it and its row."""
    wallet = None
    for row in ledger:
        before = wallet or Wallet(row.user_id)
        booked = before.book(
            row.kind,
            row.amount,
            id=row.id,
            at=row.created_at,
            reference_id=row.reference_id,
            counterparty_id=row.counterparty_id,
            note=row.note,
        )
        assert booked == row
        wallet = before.after(row)
    assert newest == (wallet.hash if wallet else GENESIS)


def _balanced(rows: list[Transaction], entries: Sequence[tuple[UUID, str, Decimal]]) -> None:
    """Every row that is no transfer's stands against one entry of the same amount; with transfers all is zero."""
    against = {reference: amount for reference, _, amount in entries}
    for row in rows:
        assert against.get(row.id) == (None if row.kind in TRANSFERS else -row.amount.amount)
    assert sum(row.amount.amount + against.get(row.id, 0) for row in rows) == 0


def _told(ledger: list[Transaction], events: list[OwedEvent]) -> None:
    """One event a transaction, in its order, with the balance after it."""
    booked = [row for row in ledger if row.kind is not TransactionKind.OPENING]
    assert [(row.version, str(row.balance_after)) for row in booked] == [
        (event.payload["version"], event.payload["balance"]) for event in events
    ]


def _conserved(rows: list[Transaction]) -> None:
    """Inside, money only changes hands: transfers sum to zero, a reversal undoes what it names, once."""
    transfers: dict[UUID | None, Decimal] = {}
    corrected: set[UUID | None] = set()
    taken = {row.id: row for row in rows if row.kind is TransactionKind.WITHDRAWAL}
    for row in rows:
        if row.kind in {TransactionKind.TRANSFER_IN, TransactionKind.TRANSFER_OUT}:
            transfers[row.reference_id] = transfers.get(row.reference_id, Decimal(0)) + row.amount.amount
        elif row.kind is TransactionKind.REVERSAL:
            assert row.reference_id not in corrected
            corrected.add(row.reference_id)
            assert row.amount == -taken[row.reference_id].amount  # type: ignore[index]
        else:
            assert row.kind in OUTSIDE or row.id in taken
    assert set(transfers.values()) <= {Decimal(0)}


# In groups each wallet's requests are decided as they came; alone that is the server's to say, so nobody sends at once.
ADAPTERS: dict[str, tuple[Callable[..., Any], dict[str, None]]] = {
    "alone": (PostgresDatabase, {"pay_at_once": None}),
    "grouped": (GroupedDatabase, {}),
}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_any_sequence_of_operations_keeps_the_books(database: Database, adapter: str) -> None:
    transacting, without = ADAPTERS[adapter]
    with asyncio.Runner() as runner:
        backend = postgres_backend(database, transacting)
        postgres = runner.run(backend.__aenter__())
        try:
            machine = type("Machine", (LedgerMachine,), {"runner": runner, "postgres": postgres, **without})
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=sized(20, 200),
                    stateful_step_count=sized(25, 50),
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
            assert runner.run(proven(database)) == []
        finally:
            runner.run(backend.__aexit__(None, None, None))
