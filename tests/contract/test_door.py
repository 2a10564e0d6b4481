"""What the door promises whatever the decision behind it is, on every adapter."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from application.idempotency import KEYS_PER_DAY
from application.profile import ReadProfile
from application.transaction_context import Tx
from application.vault.adjustments import AdjustBalance, AdjustCommand
from application.wallet.reading import ReadWallet, TransactionFilter
from application.wallet.transfers import PostedTransaction
from contract.test_transfers import pay
from contract.world import Answer, World, answered, key_of, refused
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
    world: World, owner: Principal, then: Callable[[], None] = lambda: None, key: str = "key"
) -> Answer[PostedTransaction]:
    """Take three units from *owner*, and do something else before it is true."""

    def decide(tx: Tx[None]) -> PostedTransaction:
        row = tx.wallets[owner.user_id].book(TransactionKind.PENALTY, -THREE, id=tx.new_id(), at=tx.now)
        tx.ledger.post(row)
        then()
        return PostedTransaction.of(row, tx.epoch)

    response = await world.transactions.run_idempotent(
        owner, Action.TRANSFER, key_of(key, "/", {}), decide, wallets={owner.user_id}
    )
    return answered(response, PostedTransaction)


def _refuse() -> None:
    raise InsufficientFunds


async def test_a_refusal_drops_what_was_posted_before_it_and_sticks(world: World) -> None:
    owner = await world.user(balance="10.00")

    with pytest.raises(InsufficientFunds):
        await take_three(world, owner, _refuse)

    assert (await world.wallet(owner)).balance == Money(Decimal("10.00"))
    assert len(await world.ledger(owner)) == 1
    assert await world.owed() == []
    assert await take_three(world, owner) == refused("insufficient_funds")


async def test_a_mistake_in_the_request_drops_what_was_posted_and_leaves_the_key_free(world: World) -> None:
    owner = await world.user(balance="10.00")

    def mistake() -> None:
        raise InvalidInput

    with pytest.raises(InvalidInput):
        await take_three(world, owner, mistake)
    again = await take_three(world, owner)

    assert not again.replayed
    assert (await world.wallet(owner)).balance == Money(Decimal("7.00"))


async def test_a_decision_that_crashes_writes_nothing_and_leaves_the_key_free(world: World) -> None:
    owner = await world.user(balance="10.00")

    def crash() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await take_three(world, owner, crash)

    assert not (await take_three(world, owner)).replayed


async def test_a_wallet_moves_by_all_the_rows_of_one_decision(world: World) -> None:
    owner = await world.user(balance="10.00")

    def decide(tx: Tx[None]) -> PostedTransaction:
        wallet = tx.wallets[owner.user_id]
        first = wallet.book(TransactionKind.PENALTY, -THREE, id=tx.new_id(), at=tx.now)
        then = wallet.after(first)
        last = then.book(TransactionKind.BONUS, Money(Decimal(1)), id=tx.new_id(), at=tx.now)
        tx.ledger.post(first, last)
        return PostedTransaction.of(last, tx.epoch)

    await world.transactions.run_idempotent(
        owner, Action.TRANSFER, key_of("key", "/", {}), decide, wallets={owner.user_id}
    )

    wallet = await world.wallet(owner)
    assert (wallet.balance, wallet.version) == (Money(Decimal("8.00")), 3)
    assert [event.payload["version"] for event in await world.owed()] == [2, 3]


async def test_who_may_not_act_leaves_no_key(world: World) -> None:
    admin, owner = await world.user(Role.MODERATOR), await world.user()
    command = AdjustCommand(owner.user_id, TransactionKind.BONUS, THREE, "note")

    for _ in range(2):
        with pytest.raises(Forbidden):
            await AdjustBalance(world.transactions)(admin, command, key_of("key", "/", {}), ORIGIN)

    assert await world.keys_of(admin) == []
    assert [entry.refusal for entry in await world.audit()] == ["forbidden", "forbidden"]


async def test_a_key_that_stands_for_not_found_is_free_after_an_hour(world: World) -> None:
    sender, recipient = await world.user(balance="10.00"), await world.newcomer()
    with pytest.raises(UserNotFound):
        await pay(world, sender, recipient, "1")
    await world.accounts.open(recipient)
    await world.age_keys(timedelta(minutes=59))
    still = await pay(world, sender, recipient, "1")
    await world.age_keys(timedelta(minutes=2))

    assert still == refused("user_not_found")
    assert not (await pay(world, sender, recipient, "1")).replayed


async def test_other_keys_stand_for_thirty_days(world: World) -> None:
    sender, recipient = await world.user(balance="10.00"), await world.user()
    await pay(world, sender, recipient, "1")
    await world.age_keys(timedelta(days=29, hours=23))
    still = await pay(world, sender, recipient, "1")
    await world.age_keys(timedelta(hours=2))

    assert still.replayed
    assert not (await pay(world, sender, recipient, "1")).replayed


async def test_a_user_has_ten_thousand_keys_a_day_and_old_ones_go_on_answering(world: World) -> None:
    sender, recipient = await world.user(balance="10.00"), await world.user()
    await pay(world, sender, recipient, "1", key="first")
    await world.age_keys(timedelta(hours=23))
    await world.add_keys(sender, KEYS_PER_DAY - 1)

    with pytest.raises(RateLimited) as refusal:
        await pay(world, sender, recipient, "1", key="one more")
    again = await pay(world, sender, recipient, "1", key="first")

    assert 3500 <= refusal.value.retry_after_s <= 3600
    assert again.replayed
    assert len(await world.keys_of(sender)) == KEYS_PER_DAY
    assert not (await pay(world, recipient, sender, "1", key="another's")).replayed


async def test_a_foreign_client_reads_for_its_user_and_moves_no_money(world: World) -> None:
    user, other = await world.user(balance="10.00"), await world.user()
    through = replace(user, client_id="somebody's")

    with pytest.raises(ClientNotAllowed):
        await pay(world, through, other, "1")

    assert (await ReadWallet(world.accounts, world.wallets).balance(through))["balance"] == "10.00"
    assert await world.keys_of(user) == []


async def test_a_foreign_client_does_not_act_in_the_vault_and_is_recorded(world: World) -> None:
    moderator = replace(await world.user(Role.MODERATOR), client_id="somebody's")

    with pytest.raises(ClientNotAllowed):
        await world.read_vault.user(moderator, moderator.user_id, ORIGIN)

    assert [entry.refusal for entry in await world.audit()] == ["client_not_allowed"]


async def test_a_client_that_the_deployment_trusts_moves_money(world: World) -> None:
    user = replace(await world.user(balance="10.00"), client_id="ours")
    trusting = world.transactions_for(Requirements(oauth_clients=frozenset({"ours"})))

    def decide(tx: Tx[None]) -> PostedTransaction:
        row = tx.wallets[user.user_id].book(TransactionKind.PENALTY, -THREE, id=tx.new_id(), at=tx.now)
        tx.ledger.post(row)
        return PostedTransaction.of(row, tx.epoch)

    response = await trusting.run_idempotent(
        user, Action.TRANSFER, key_of("key", "/", {}), decide, wallets={user.user_id}
    )

    assert response.status == 201


async def test_nothing_is_made_for_the_dead(world: World) -> None:
    gone = await world.newcomer(DisplayFields("ghost"))
    await world.has_account_status(gone, AccountStatus.DELETED)
    wallet = ReadWallet(world.accounts, world.wallets)

    for reading in (
        ReadProfile(world.accounts)(gone),
        wallet.balance(gone),
        wallet.transactions(gone, TransactionFilter(), before_version=None, limit=1),
        wallet.withdrawals(gone, None, after=None, limit=1),
        pay(world, gone, await world.user(), "1"),
        world.read_vault.user(gone, uuid4(), ORIGIN),
    ):
        with pytest.raises(SessionRevoked):
            await reading

    assert not await world.has_account(gone)


async def test_what_is_left_of_a_deleted_user_is_shown_to_nobody(world: World) -> None:
    gone = await world.user(balance="10.00")
    await world.has_account_status(gone, AccountStatus.DELETED)
    wallet = ReadWallet(world.accounts, world.wallets)

    for reading in (
        ReadProfile(world.accounts)(gone),
        wallet.balance(gone),
        wallet.transactions(gone, TransactionFilter(), before_version=None, limit=1),
        wallet.withdrawals(gone, None, after=None, limit=1),
    ):
        with pytest.raises(SessionRevoked):
            await reading
