"""What the door promises whatever the decision behind it is, on every adapter."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from application.idempotency import KEYS_PER_DAY
from application.ports import PageRequest
from application.profile import ReadProfile
from application.transaction_context import Tx
from application.vault.adjustments import AdjustBalance, AdjustCommand
from application.wallet.reading import ReadWallet, TransactionFilter
from application.wallet.transfers import PostedTransaction
from contract.backend import Answer, Backend, answered, key_of, refused
from contract.test_transfers import pay
from domain.audit import RequestInfo
from domain.errors import (
    ClientNotAllowed,
    Forbidden,
    InsufficientFunds,
    InvalidInput,
    RateLimited,
    SessionRevoked,
    UserNotFound,
)
from domain.identity import AccountStatus, DisplayFields, Principal, Role
from domain.money import Money
from domain.policies import Action, Requirements
from domain.wallet import TransactionKind

pytestmark = pytest.mark.anyio

ORIGIN = RequestInfo("request", "127.0.0.1")
THREE = Money(Decimal(3))


async def take_three(
    backend: Backend, owner: Principal, then: Callable[[], None] = lambda: None, key: str = "key"
) -> Answer[PostedTransaction]:
    """Take three units from *owner*, and do something else before it is true."""

    def decide(tx: Tx[None]) -> PostedTransaction:
        row = tx.wallets[owner.user_id].book(TransactionKind.PENALTY, -THREE, id=tx.new_id(), at=tx.now)
        tx.post(row)
        then()
        return PostedTransaction.of(row, tx.epoch)

    response = await backend.transactions.run_idempotent(
        owner, Action.TRANSFER, key_of(key, "/", {}), decide, wallets={owner.user_id}
    )
    return answered(response, PostedTransaction)


def _refuse() -> None:
    raise InsufficientFunds


async def test_a_refusal_drops_what_was_posted_before_it_and_sticks(backend: Backend) -> None:
    owner = await backend.user(balance="10.00")

    with pytest.raises(InsufficientFunds):
        await take_three(backend, owner, _refuse)

    assert (await backend.wallet(owner)).balance == Money(Decimal("10.00"))
    assert len(await backend.ledger(owner)) == 1
    assert await backend.owed() == []
    assert await take_three(backend, owner) == refused("insufficient_funds")


async def test_a_mistake_in_the_request_drops_what_was_posted_and_leaves_the_key_free(
    backend: Backend,
) -> None:
    owner = await backend.user(balance="10.00")

    def mistake() -> None:
        raise InvalidInput

    with pytest.raises(InvalidInput):
        await take_three(backend, owner, mistake)
    again = await take_three(backend, owner)

    assert not again.replayed
    assert (await backend.wallet(owner)).balance == Money(Decimal("7.00"))


async def test_a_decision_that_crashes_writes_nothing_and_leaves_the_key_free(backend: Backend) -> None:
    owner = await backend.user(balance="10.00")

    def crash() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await take_three(backend, owner, crash)

    assert not (await take_three(backend, owner)).replayed


async def test_a_wallet_moves_by_all_the_rows_of_one_decision(backend: Backend) -> None:
    owner = await backend.user(balance="10.00")

    def decide(tx: Tx[None]) -> PostedTransaction:
        wallet = tx.wallets[owner.user_id]
        first = wallet.book(TransactionKind.PENALTY, -THREE, id=tx.new_id(), at=tx.now)
        then = wallet.after(first)
        last = then.book(TransactionKind.BONUS, Money(Decimal(1)), id=tx.new_id(), at=tx.now)
        tx.post(first, last)
        return PostedTransaction.of(last, tx.epoch)

    await backend.transactions.run_idempotent(
        owner, Action.TRANSFER, key_of("key", "/", {}), decide, wallets={owner.user_id}
    )

    wallet = await backend.wallet(owner)
    assert (wallet.balance, wallet.version) == (Money(Decimal("8.00")), 3)
    assert [event.payload["version"] for event in await backend.owed()] == [2, 3]


async def test_who_may_not_act_leaves_no_key(backend: Backend) -> None:
    admin, owner = await backend.user(Role.MODERATOR), await backend.user()
    command = AdjustCommand(owner.user_id, TransactionKind.BONUS, THREE, "note")

    for _ in range(2):
        with pytest.raises(Forbidden):
            await AdjustBalance(backend.transactions)(admin, command, key_of("key", "/", {}), ORIGIN)

    assert await backend.keys_of(admin) == []
    assert [entry.refusal for entry in await backend.audit()] == ["forbidden", "forbidden"]


async def test_a_key_that_stands_for_not_found_is_free_after_an_hour(backend: Backend) -> None:
    sender, recipient = await backend.user(balance="10.00"), await backend.newcomer()
    with pytest.raises(UserNotFound):
        await pay(backend, sender, recipient, "1")
    await backend.accounts.open(recipient)
    await backend.age_keys(timedelta(minutes=59))
    still = await pay(backend, sender, recipient, "1")
    await backend.age_keys(timedelta(minutes=2))

    assert still == refused("user_not_found")
    assert not (await pay(backend, sender, recipient, "1")).replayed


async def test_other_keys_stand_for_thirty_days(backend: Backend) -> None:
    sender, recipient = await backend.user(balance="10.00"), await backend.user()
    await pay(backend, sender, recipient, "1")
    await backend.age_keys(timedelta(days=29, hours=23))
    still = await pay(backend, sender, recipient, "1")
    await backend.age_keys(timedelta(hours=2))

    assert still.replayed
    assert not (await pay(backend, sender, recipient, "1")).replayed


async def test_a_user_has_ten_thousand_keys_a_day_and_old_ones_go_on_answering(backend: Backend) -> None:
    sender, recipient = await backend.user(balance="10.00"), await backend.user()
    await pay(backend, sender, recipient, "1", key="first")
    await backend.age_keys(timedelta(hours=23))
    await backend.add_keys(sender, KEYS_PER_DAY - 1)

    with pytest.raises(RateLimited) as refusal:
        await pay(backend, sender, recipient, "1", key="one more")
    again = await pay(backend, sender, recipient, "1", key="first")

    assert 3500 <= refusal.value.retry_after_s <= 3600
    assert again.replayed
    assert len(await backend.keys_of(sender)) == KEYS_PER_DAY
    assert not (await pay(backend, recipient, sender, "1", key="another's")).replayed


async def test_a_foreign_client_reads_for_its_user_and_moves_no_money(backend: Backend) -> None:
    user, other = await backend.user(balance="10.00"), await backend.user()
    through = replace(user, client_id="somebody's")

    with pytest.raises(ClientNotAllowed):
        await pay(backend, through, other, "1")

    assert (await ReadWallet(backend.accounts, backend.wallets).balance(through))["balance"] == "10.00"
    assert await backend.keys_of(user) == []


async def test_a_foreign_client_does_not_act_in_the_vault_and_is_recorded(backend: Backend) -> None:
    moderator = replace(await backend.user(Role.MODERATOR), client_id="somebody's")

    with pytest.raises(ClientNotAllowed):
        await backend.read_vault.user(moderator, moderator.user_id, ORIGIN)

    assert [entry.refusal for entry in await backend.audit()] == ["client_not_allowed"]


async def test_a_client_that_the_deployment_trusts_moves_money(backend: Backend) -> None:
    user = replace(await backend.user(balance="10.00"), client_id="ours")
    trusting = backend.transactions_for(Requirements(oauth_clients=frozenset({"ours"})))

    def decide(tx: Tx[None]) -> PostedTransaction:
        row = tx.wallets[user.user_id].book(TransactionKind.PENALTY, -THREE, id=tx.new_id(), at=tx.now)
        tx.post(row)
        return PostedTransaction.of(row, tx.epoch)

    response = await trusting.run_idempotent(
        user, Action.TRANSFER, key_of("key", "/", {}), decide, wallets={user.user_id}
    )

    assert response.status == 201


def _readings(backend: Backend, caller: Principal) -> Sequence[Awaitable[object]]:
    """All that a caller can read of their own."""
    wallet = ReadWallet(backend.accounts, backend.wallets)
    return (
        ReadProfile(backend.accounts)(caller),
        wallet.balance(caller),
        wallet.transactions(caller, TransactionFilter(), PageRequest(1)),
        wallet.withdrawals(caller, None, PageRequest(1)),
    )


async def test_nothing_is_made_for_the_dead(backend: Backend) -> None:
    gone = await backend.newcomer(DisplayFields("ghost"))
    await backend.has_account_status(gone, AccountStatus.DELETED)

    for reading in (
        *_readings(backend, gone),
        pay(backend, gone, await backend.user(), "1"),
        backend.read_vault.user(gone, uuid4(), ORIGIN),
    ):
        with pytest.raises(SessionRevoked):
            await reading

    assert not await backend.has_account(gone)


async def test_what_is_left_of_a_deleted_user_is_shown_to_nobody(backend: Backend) -> None:
    gone = await backend.user(balance="10.00")
    await backend.has_account_status(gone, AccountStatus.DELETED)

    for reading in _readings(backend, gone):
        with pytest.raises(SessionRevoked):
            await reading
