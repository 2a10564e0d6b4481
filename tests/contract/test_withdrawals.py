"""What a withdrawal promises, from the hold to its settlement, on every adapter."""

import asyncio
from decimal import Decimal
from uuid import uuid4

import pytest

from application.ports import Page, Position, Row
from application.vault.withdrawals import SettleCommand, SettleWithdrawal
from application.wallet.reading import ReadWallet
from application.wallet.withdrawals import PostedWithdrawal, WithdrawCommand, WithdrawFunds
from contract.test_transfers import pay
from contract.world import Answer, World, answered, key_of, row_as
from domain.audit import RequestInfo
from domain.errors import (
    BalanceLimit,
    Banned,
    Forbidden,
    InsufficientFunds,
    WithdrawalAlreadySettled,
    WithdrawalNotFound,
)
from domain.identity import AccountStatus, Principal, Role
from domain.money import Money
from domain.wallet import TransactionKind
from domain.withdrawals import Withdrawal, WithdrawalStatus

pytestmark = pytest.mark.anyio

ORIGIN = RequestInfo("request", "127.0.0.1")
HELD, COMPLETED, FAILED = WithdrawalStatus


async def withdraw(world: World, owner: Principal, amount: str, key: str = "key") -> Answer[PostedWithdrawal]:
    command = WithdrawCommand(Money.parse(amount), "rent")
    request = key_of(key, "/wallet/withdrawals", {"amount": amount, "note": "rent"})
    return answered(await WithdrawFunds(world.transactions)(owner, command, request), PostedWithdrawal)


async def held(world: World, owner: Principal, amount: str, key: str = "key") -> Withdrawal:
    return (await withdraw(world, owner, amount, key)).result.withdrawal


async def settle(
    world: World,
    admin: Principal,
    withdrawal: Withdrawal,
    outcome: WithdrawalStatus,
    reason: str | None = None,
) -> Withdrawal:
    command = SettleCommand(withdrawal.id, outcome, reason)
    settled = await SettleWithdrawal(world.transactions)(admin, command, ORIGIN)
    assert isinstance(settled, Withdrawal)
    return settled


async def own(world: World, owner: Principal, status: WithdrawalStatus | None = None) -> list[Withdrawal]:
    page = await ReadWallet(world.accounts, world.wallets).withdrawals(owner, status, after=None, limit=50)
    return [row_as(row, Withdrawal) for row in page.items]


async def test_a_withdrawal_takes_the_money_out_at_once(world: World) -> None:
    owner = await world.user(balance="10.00")

    answer = await withdraw(world, owner, "4")

    [_, taken] = await world.ledger(owner)
    withdrawal = answer.result.withdrawal
    assert answer == Answer(
        PostedWithdrawal(withdrawal, taken, taken.balance_after, taken.version, epoch=1), replayed=False
    )
    assert (taken.kind, taken.amount, taken.reference_id, taken.note) == (
        TransactionKind.WITHDRAWAL,
        Money(Decimal("-4.00")),
        withdrawal.id,
        "rent",
    )
    assert withdrawal.transaction_id == taken.id
    assert (await world.wallet(owner)).balance == Money(Decimal("6.00"))
    assert await own(world, owner) == [withdrawal]
    assert [event.payload["kind"] for event in await world.owed()] == ["withdrawal"]


async def test_a_retry_finds_the_same_withdrawal(world: World) -> None:
    owner = await world.user(balance="10.00")
    first = await withdraw(world, owner, "4")

    again = await withdraw(world, owner, "4.0")

    assert again == Answer(first.result, replayed=True)
    assert len(await own(world, owner)) == 1


async def test_nobody_takes_out_more_than_there_is(world: World) -> None:
    owner = await world.user(balance="10.00")

    with pytest.raises(InsufficientFunds):
        await withdraw(world, owner, "10.01")

    assert await own(world, owner) == []


async def test_a_banned_user_takes_nothing_out(world: World) -> None:
    owner = await world.user(balance="10.00")
    await world.has_account_status(owner, AccountStatus.BANNED)

    with pytest.raises(Banned):
        await withdraw(world, owner, "1")


async def test_twenty_withdrawals_at_once_never_overdraw(world: World) -> None:
    owner = await world.user(balance="5.00")

    answers = await asyncio.gather(
        *(withdraw(world, owner, "1", key=str(number)) for number in range(20)), return_exceptions=True
    )

    assert sum(isinstance(answer, Answer) for answer in answers) == 5
    assert len(await own(world, owner)) == 5


async def test_a_completed_withdrawal_moves_nothing_more_and_is_recorded(world: World) -> None:
    owner, admin = await world.user(balance="10.00"), await world.user(Role.ADMIN)
    withdrawal = await held(world, owner, "4")

    settled = await settle(world, admin, withdrawal, COMPLETED)

    assert (settled.status, settled.settled_by) == (COMPLETED, admin.user_id)
    assert await own(world, owner) == [settled]
    assert len(await world.ledger(owner)) == 2
    [entry] = await world.audit()
    assert (entry.action, entry.actor_id, entry.target_id, entry.refusal) == (
        "withdrawal.settled",
        admin.user_id,
        withdrawal.id,
        None,
    )


async def test_a_failed_withdrawal_gives_the_money_back_and_tells_the_owner(world: World) -> None:
    owner, admin = await world.user(balance="10.00"), await world.user(Role.ADMIN)
    withdrawal = await held(world, owner, "4")

    settled = await settle(world, admin, withdrawal, FAILED, "account closed")

    [*_, given_back] = await world.ledger(owner)
    assert (settled.status, settled.reason) == (FAILED, "account closed")
    assert (given_back.kind, given_back.amount, given_back.reference_id) == (
        TransactionKind.REVERSAL,
        Money(Decimal("4.00")),
        withdrawal.transaction_id,
    )
    assert (await world.wallet(owner)).balance == Money(Decimal("10.00"))
    assert [event.payload["balance"] for event in await world.owed()] == ["6.00", "10.00"]
    assert len(await world.audit()) == 1


@pytest.mark.parametrize("outcome", [COMPLETED, FAILED])
async def test_the_same_outcome_again_changes_nothing(world: World, outcome: WithdrawalStatus) -> None:
    owner, admin = await world.user(balance="10.00"), await world.user(Role.ADMIN)
    withdrawal = await held(world, owner, "4")
    settled = await settle(world, admin, withdrawal, outcome)
    before = await world.ledger(owner)

    again = await settle(world, admin, withdrawal, outcome, "again")

    assert again == settled
    assert await world.ledger(owner) == before
    assert len(await world.audit()) == 1


@pytest.mark.parametrize(("first", "then"), [(COMPLETED, FAILED), (FAILED, COMPLETED)])
async def test_another_outcome_is_refused(
    world: World, first: WithdrawalStatus, then: WithdrawalStatus
) -> None:
    owner, admin = await world.user(balance="10.00"), await world.user(Role.ADMIN)
    withdrawal = await held(world, owner, "4")
    settled = await settle(world, admin, withdrawal, first)

    with pytest.raises(WithdrawalAlreadySettled):
        await settle(world, admin, withdrawal, then)

    assert await own(world, owner) == [settled]


async def test_admins_who_settle_at_once_settle_once(world: World) -> None:
    owner = await world.user(balance="10.00")
    admins = [await world.user(Role.ADMIN) for _ in range(6)]
    withdrawal = await held(world, owner, "4")

    answers = await asyncio.gather(
        *(settle(world, admin, withdrawal, outcome) for admin in admins for outcome in (COMPLETED, FAILED)),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, Withdrawal) for answer in answers) == 6
    assert sum(isinstance(answer, WithdrawalAlreadySettled) for answer in answers) == 6
    assert len(await world.audit()) == 1


async def test_only_admins_settle_and_never_their_own(world: World) -> None:
    owner, moderator = await world.user(balance="10.00"), await world.user(Role.MODERATOR)
    admin = await world.user(Role.ADMIN, balance="10.00")
    withdrawal, admins = await held(world, owner, "4"), await held(world, admin, "4")

    for caller, target in ((owner, withdrawal), (moderator, withdrawal), (admin, admins)):
        with pytest.raises(Forbidden):
            await settle(world, caller, target, FAILED)

    assert [row.status for row in [*await own(world, owner), *await own(world, admin)]] == [HELD, HELD]


async def test_an_unknown_withdrawal_is_told_to_admins_only(world: World) -> None:
    owner, admin = await world.user(balance="10.00"), await world.user(Role.ADMIN)
    unknown = Withdrawal(
        uuid4(), owner.user_id, Money.parse("1"), HELD, uuid4(), (await held(world, owner, "1")).created_at
    )

    with pytest.raises(WithdrawalNotFound):
        await settle(world, admin, unknown, FAILED)
    with pytest.raises(Forbidden):
        await settle(world, owner, unknown, FAILED)


async def test_the_money_of_a_deleted_user_comes_back_to_the_frozen_wallet(world: World) -> None:
    owner, admin = await world.user(balance="10.00"), await world.user(Role.ADMIN)
    withdrawal = await held(world, owner, "4")
    await world.has_account_status(owner, AccountStatus.DELETED)

    await settle(world, admin, withdrawal, FAILED)

    assert (await world.wallet(owner)).balance == Money(Decimal("10.00"))


async def test_money_that_does_not_fit_waits_in_the_withdrawal(world: World) -> None:
    owner, admin = await world.user(balance="99999999.99"), await world.user(Role.ADMIN)
    withdrawal = await held(world, owner, "1")
    payer = await world.user(balance="1.00")
    await pay(world, payer, owner, "1")

    with pytest.raises(BalanceLimit):
        await settle(world, admin, withdrawal, FAILED)

    assert await own(world, owner) == [withdrawal]


async def test_pages_hold_each_withdrawal_once_newest_first(world: World) -> None:
    owner = await world.user(balance="10.00")
    made = [await held(world, owner, "1", key=str(number)) for number in range(5)]
    read = ReadWallet(world.accounts, world.wallets)

    found: list[Withdrawal] = []
    after: Position | None = None
    while True:
        page = await read.withdrawals(owner, HELD, after=after, limit=2)
        found.extend(row_as(row, Withdrawal) for row in page.items)
        if (after := page.next_after) is None:
            break

    assert found == made[::-1]


async def test_the_queue_is_the_admins_oldest_first_and_filtered(world: World) -> None:
    one, other = await world.user(balance="10.00"), await world.user(balance="10.00")
    admin = await world.user(Role.ADMIN)
    made = [await held(world, owner, "1", key=str(n)) for n in range(2) for owner in (one, other)]
    settled = await settle(world, admin, made[1], COMPLETED)
    read = world.read_vault.withdrawals

    first = await read(admin, HELD, ORIGIN, after=None, limit=2)
    rest = await read(admin, HELD, ORIGIN, after=first.next_after, limit=2)

    assert _withdrawals(first) == [made[0], made[2]]
    assert first.next_after == Position(made[2].created_at, made[2].id)
    assert (_withdrawals(rest), rest.next_after) == ([made[3]], None)
    assert _withdrawals(await read(admin, COMPLETED, ORIGIN, after=None, limit=2)) == [settled]
    with pytest.raises(Forbidden):
        await read(await world.user(Role.MODERATOR), None, ORIGIN, after=None, limit=2)


def _withdrawals(page: Page[Row, Position]) -> list[Withdrawal]:
    return [row_as(row, Withdrawal) for row in page.items]


async def test_somebody_elses_withdrawals_are_not_shown(world: World) -> None:
    owner, other = await world.user(balance="10.00"), await world.user()
    await held(world, owner, "1")

    assert await own(world, other) == []
