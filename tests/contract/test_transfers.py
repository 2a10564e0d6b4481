"""What a transfer promises, on every adapter."""

import asyncio
from decimal import Decimal
from uuid import uuid4

import pytest

from application.wallet.transfers import PostedTransaction, TransferCommand, TransferFunds
from contract.backend import Answer, Backend, answered, key_of, refused
from domain.errors import (
    AnonymousSession,
    BalanceLimit,
    Banned,
    IdempotencyKeyReused,
    InsufficientFunds,
    InvalidInput,
    SessionRevoked,
    UserNotFound,
)
from domain.identity import AccountStatus, Principal
from domain.money import Money
from domain.wallet import TransactionKind

pytestmark = pytest.mark.anyio


async def pay(
    backend: Backend,
    sender: Principal,
    recipient: Principal,
    amount: str,
    key: str = "key",
    note: str | None = None,
) -> Answer[PostedTransaction]:
    command = TransferCommand(recipient.user_id, Money.parse(amount), note)
    body: dict[str, object] = {"recipient_id": recipient.user_id, "amount": amount, "note": note}
    request = key_of(key, "/wallet/transfers", body)
    response = await TransferFunds(backend.transactions)(sender, command, request)
    return answered(response, PostedTransaction)


async def test_a_transfer_moves_money_in_two_rows_that_know_each_other(backend: Backend) -> None:
    sender, recipient = await backend.user(balance="10.00"), await backend.user(balance="1.00")

    answer = await pay(backend, sender, recipient, "2.5", note="for the song")

    [_, sent], [_, received] = await backend.ledger(sender), await backend.ledger(recipient)
    assert (await backend.wallet(sender)).balance == Money(Decimal("7.50"))
    assert (await backend.wallet(recipient)).balance == Money(Decimal("3.50"))
    assert (sent.kind, received.kind) == (TransactionKind.TRANSFER_OUT, TransactionKind.TRANSFER_IN)
    assert sent.amount == -received.amount
    assert sent.reference_id == received.reference_id is not None
    assert (sent.counterparty_id, received.counterparty_id) == (recipient.user_id, sender.user_id)
    assert (sent.version, received.version) == (2, 2)
    assert sent.note == received.note == "for the song"
    assert answer == Answer(PostedTransaction.of(sent, epoch=1), replayed=False)


async def test_each_side_is_owed_one_event_with_the_balance_after_it(backend: Backend) -> None:
    sender, recipient = await backend.user(balance="10.00"), await backend.user()

    await pay(backend, sender, recipient, "4")

    owed = await backend.owed()
    assert {
        (event.name, event.user_id, event.payload["balance"], event.payload["version"]) for event in owed
    } == {
        ("balance_updated", sender.user_id, "6.00", 2),
        ("balance_updated", recipient.user_id, "4.00", 1),
    }


async def test_the_same_key_gives_the_first_answer_again_and_moves_nothing(backend: Backend) -> None:
    sender, recipient = await backend.user(balance="10.00"), await backend.user()

    first = await pay(backend, sender, recipient, "4")
    again = await pay(backend, sender, recipient, "4.00")

    assert again == Answer(first.result, replayed=True)
    assert (await backend.wallet(sender)).balance == Money(Decimal("6.00"))
    assert len(await backend.owed()) == 2


async def test_a_key_reused_for_another_amount_is_refused_and_moves_nothing(backend: Backend) -> None:
    sender, recipient = await backend.user(balance="10.00"), await backend.user()
    await pay(backend, sender, recipient, "4")

    with pytest.raises(IdempotencyKeyReused):
        await pay(backend, sender, recipient, "5")

    assert (await backend.wallet(sender)).balance == Money(Decimal("6.00"))


async def test_a_key_is_its_callers_own(backend: Backend) -> None:
    sender, recipient = await backend.user(balance="10.00"), await backend.user(balance="10.00")
    await pay(backend, sender, recipient, "4", key="same")

    answer = await pay(backend, recipient, sender, "1", key="same")

    assert not answer.replayed


async def test_a_refusal_sticks_to_its_key_even_when_the_money_has_come(backend: Backend) -> None:
    poor, rich = await backend.user(), await backend.user(balance="10.00")
    with pytest.raises(InsufficientFunds):
        await pay(backend, poor, rich, "5", key="too early")
    await pay(backend, rich, poor, "8")

    again = await pay(backend, poor, rich, "5", key="too early")

    assert again == refused("insufficient_funds")
    assert (await backend.wallet(poor)).balance == Money(Decimal("8.00"))


async def test_a_wallet_gives_its_last_cent_and_not_one_more(backend: Backend) -> None:
    sender, recipient = await backend.user(balance="1.00"), await backend.user()
    await pay(backend, sender, recipient, "1.00", key="last")

    with pytest.raises(InsufficientFunds):
        await pay(backend, sender, recipient, "0.01", key="one more")


async def test_a_recipient_at_the_limit_takes_no_more(backend: Backend) -> None:
    sender, recipient = await backend.user(balance="10.00"), await backend.user(balance="99999999.99")

    with pytest.raises(BalanceLimit):
        await pay(backend, sender, recipient, "0.01")

    assert (await backend.wallet(sender)).balance == Money(Decimal("10.00"))


async def test_nobody_pays_themselves_or_somebody_unknown(backend: Backend) -> None:
    sender = await backend.user(balance="10.00")

    with pytest.raises(InvalidInput):
        await pay(backend, sender, sender, "1")
    with pytest.raises(UserNotFound):
        await pay(backend, sender, Principal(uuid4(), uuid4()), "1")


async def test_a_deleted_user_receives_nothing(backend: Backend) -> None:
    sender, recipient = await backend.user(balance="10.00"), await backend.user()
    await backend.has_account_status(recipient, AccountStatus.DELETED)

    with pytest.raises(UserNotFound):
        await pay(backend, sender, recipient, "1")


async def test_a_banned_user_receives_but_pays_nobody(backend: Backend) -> None:
    honest, banned = await backend.user(balance="10.00"), await backend.user(balance="10.00")
    await backend.has_account_status(banned, AccountStatus.BANNED)

    await pay(backend, honest, banned, "1")
    with pytest.raises(Banned):
        await pay(backend, banned, honest, "1")

    assert (await backend.wallet(banned)).balance == Money(Decimal("11.00"))


async def test_a_ban_is_told_before_a_replay_and_leaves_the_key_alone(backend: Backend) -> None:
    sender, recipient = await backend.user(balance="10.00"), await backend.user()
    first = await pay(backend, sender, recipient, "1")
    await backend.has_account_status(sender, AccountStatus.BANNED)
    with pytest.raises(Banned):
        await pay(backend, sender, recipient, "1")
    await backend.has_account_status(sender, AccountStatus.ACTIVE)

    assert await pay(backend, sender, recipient, "1") == Answer(first.result, replayed=True)


async def test_a_session_that_has_ended_moves_nothing(backend: Backend) -> None:
    sender, recipient = await backend.user(balance="10.00"), await backend.user()
    await backend.has_account_status(sender, AccountStatus.REVOKED)

    with pytest.raises(SessionRevoked):
        await pay(backend, sender, recipient, "1")


async def test_an_anonymous_session_moves_nothing(backend: Backend) -> None:
    sender, recipient = await backend.user(balance="10.00", is_anonymous=True), await backend.user()

    with pytest.raises(AnonymousSession):
        await pay(backend, sender, recipient, "1")


async def test_thirty_retries_at_once_move_money_once(backend: Backend) -> None:
    sender, recipient = await backend.user(balance="10.00"), await backend.user()

    answers = await asyncio.gather(*(pay(backend, sender, recipient, "1") for _ in range(30)))

    assert sum(not answer.replayed for answer in answers) == 1
    assert len({answer.result.transaction.id for answer in answers}) == 1
    assert (await backend.wallet(sender)).balance == Money(Decimal("9.00"))


async def test_forty_payments_at_once_never_overdraw(backend: Backend) -> None:
    sender, recipient = await backend.user(balance="10.00"), await backend.user()

    answers = await asyncio.gather(
        *(pay(backend, sender, recipient, "1", key=str(number)) for number in range(40)),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, Answer) for answer in answers) == 10
    assert sum(isinstance(answer, InsufficientFunds) for answer in answers) == 30
    assert (await backend.wallet(recipient)).balance == Money(Decimal("10.00"))


async def test_money_going_both_ways_at_once_is_conserved(backend: Backend) -> None:
    one, other = await backend.user(balance="50.00"), await backend.user(balance="50.00")

    await asyncio.gather(
        *(pay(backend, one, other, "1", key=f"there {number}") for number in range(20)),
        *(pay(backend, other, one, "1", key=f"back {number}") for number in range(20)),
    )

    balances = [(await backend.wallet(person)).balance for person in (one, other)]
    assert balances == [Money(Decimal("50.00")), Money(Decimal("50.00"))]
    assert [row.version for row in await backend.ledger(one)] == list(range(1, 42))


async def test_a_first_time_caller_gets_an_account_and_is_told_the_truth(backend: Backend) -> None:
    newcomer, recipient = await backend.newcomer(), await backend.user()

    with pytest.raises(InsufficientFunds):
        await pay(backend, newcomer, recipient, "1")

    assert (await backend.accounts.find(newcomer.user_id)) is not None
