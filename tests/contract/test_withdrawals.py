"""What a withdrawal promises, from the hold to its settlement, on every adapter."""

import asyncio
from decimal import Decimal
from uuid import uuid4

import pytest

from application.ports import Page, PageRequest, Position, Row
from application.vault.withdrawals import SettleCommand, SettleWithdrawal
from application.wallet.reading import ReadWallet
from application.wallet.withdrawals import PostedWithdrawal, WithdrawCommand, WithdrawFunds
from contract.backend import Answer, Backend, answered, key_of, row_as
from contract.test_transfers import pay
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


async def withdraw(
    backend: Backend, owner: Principal, amount: str, key: str = "key"
) -> Answer[PostedWithdrawal]:
    command = WithdrawCommand(Money.parse(amount), "rent")
    request = key_of(key, "/wallet/withdrawals", {"amount": amount, "note": "rent"})
    return answered(await WithdrawFunds(backend.transactions)(owner, command, request), PostedWithdrawal)


async def held(backend: Backend, owner: Principal, amount: str, key: str = "key") -> Withdrawal:
    return (await withdraw(backend, owner, amount, key)).result.withdrawal


async def settle(
    backend: Backend,
    admin: Principal,
    withdrawal: Withdrawal,
    outcome: WithdrawalStatus,
    reason: str | None = None,
) -> Withdrawal:
    command = SettleCommand(withdrawal.id, outcome, reason)
    settled = await SettleWithdrawal(backend.transactions)(admin, command, ORIGIN)
    assert isinstance(settled, Withdrawal)
    return settled


async def own(backend: Backend, owner: Principal, status: WithdrawalStatus | None = None) -> list[Withdrawal]:
    page = await ReadWallet(backend.accounts, backend.wallets).withdrawals(owner, status, PageRequest(50))
    return [row_as(row, Withdrawal) for row in page.items]


async def test_a_withdrawal_takes_the_money_out_at_once(backend: Backend) -> None:
    owner = await backend.user(balance="10.00")

    answer = await withdraw(backend, owner, "4")

    [_, taken] = await backend.ledger(owner)
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
    assert (await backend.wallet(owner)).balance == Money(Decimal("6.00"))
    assert await own(backend, owner) == [withdrawal]
    assert [event.payload["kind"] for event in await backend.owed()] == ["withdrawal"]


async def test_a_retry_finds_the_same_withdrawal(backend: Backend) -> None:
    owner = await backend.user(balance="10.00")
    first = await withdraw(backend, owner, "4")

    again = await withdraw(backend, owner, "4.0")

    assert again == Answer(first.result, replayed=True)
    assert len(await own(backend, owner)) == 1


async def test_nobody_takes_out_more_than_there_is(backend: Backend) -> None:
    owner = await backend.user(balance="10.00")

    with pytest.raises(InsufficientFunds):
        await withdraw(backend, owner, "10.01")

    assert await own(backend, owner) == []


async def test_a_banned_user_takes_nothing_out(backend: Backend) -> None:
    owner = await backend.user(balance="10.00")
    await backend.has_account_status(owner, AccountStatus.BANNED)

    with pytest.raises(Banned):
        await withdraw(backend, owner, "1")


async def test_twenty_withdrawals_at_once_never_overdraw(backend: Backend) -> None:
    owner = await backend.user(balance="5.00")

    answers = await asyncio.gather(
        *(withdraw(backend, owner, "1", key=str(number)) for number in range(20)), return_exceptions=True
    )

    assert sum(isinstance(answer, Answer) for answer in answers) == 5
    assert len(await own(backend, owner)) == 5


async def test_a_completed_withdrawal_moves_nothing_more_and_is_recorded(backend: Backend) -> None:
    owner, admin = await backend.user(balance="10.00"), await backend.user(Role.ADMIN)
    withdrawal = await held(backend, owner, "4")

    settled = await settle(backend, admin, withdrawal, COMPLETED)

    assert (settled.status, settled.settled_by) == (COMPLETED, admin.user_id)
    assert await own(backend, owner) == [settled]
    assert len(await backend.ledger(owner)) == 2
    [entry] = await backend.audit()
    assert (entry.action, entry.actor_id, entry.target_id, entry.refusal) == (
        "withdrawal.settled",
        admin.user_id,
        withdrawal.id,
        None,
    )


async def test_a_failed_withdrawal_gives_the_money_back_and_tells_the_owner(backend: Backend) -> None:
    owner, admin = await backend.user(balance="10.00"), await backend.user(Role.ADMIN)
    withdrawal = await held(backend, owner, "4")

    settled = await settle(backend, admin, withdrawal, FAILED, "account closed")

    [*_, given_back] = await backend.ledger(owner)
    assert (settled.status, settled.reason) == (FAILED, "account closed")
    assert (given_back.kind, given_back.amount, given_back.reference_id) == (
        TransactionKind.REVERSAL,
        Money(Decimal("4.00")),
        withdrawal.transaction_id,
    )
    assert (await backend.wallet(owner)).balance == Money(Decimal("10.00"))
    assert [event.payload["balance"] for event in await backend.owed()] == ["6.00", "10.00"]
    assert len(await backend.audit()) == 1


@pytest.mark.parametrize("outcome", [COMPLETED, FAILED])
async def test_the_same_outcome_again_changes_nothing(backend: Backend, outcome: WithdrawalStatus) -> None:
    owner, admin = await backend.user(balance="10.00"), await backend.user(Role.ADMIN)
    withdrawal = await held(backend, owner, "4")
    settled = await settle(backend, admin, withdrawal, outcome)
    before = await backend.ledger(owner)

    again = await settle(backend, admin, withdrawal, outcome, "again")

    assert again == settled
    assert await backend.ledger(owner) == before
    assert len(await backend.audit()) == 1


@pytest.mark.parametrize(("first", "then"), [(COMPLETED, FAILED), (FAILED, COMPLETED)])
async def test_another_outcome_is_refused(
    backend: Backend, first: WithdrawalStatus, then: WithdrawalStatus
) -> None:
    owner, admin = await backend.user(balance="10.00"), await backend.user(Role.ADMIN)
    withdrawal = await held(backend, owner, "4")
    settled = await settle(backend, admin, withdrawal, first)

    with pytest.raises(WithdrawalAlreadySettled):
        await settle(backend, admin, withdrawal, then)

    assert await own(backend, owner) == [settled]


async def test_admins_who_settle_at_once_settle_once(backend: Backend) -> None:
    owner = await backend.user(balance="10.00")
    admins = [await backend.user(Role.ADMIN) for _ in range(6)]
    withdrawal = await held(backend, owner, "4")

    answers = await asyncio.gather(
        *(settle(backend, admin, withdrawal, outcome) for admin in admins for outcome in (COMPLETED, FAILED)),
        return_exceptions=True,
    )

    assert sum(isinstance(answer, Withdrawal) for answer in answers) == 6
    assert sum(isinstance(answer, WithdrawalAlreadySettled) for answer in answers) == 6
    assert len(await backend.audit()) == 1


async def test_only_admins_settle_and_never_their_own(backend: Backend) -> None:
    owner, moderator = await backend.user(balance="10.00"), await backend.user(Role.MODERATOR)
    admin = await backend.user(Role.ADMIN, balance="10.00")
    withdrawal, admins = await held(backend, owner, "4"), await held(backend, admin, "4")

    for caller, target in ((owner, withdrawal), (moderator, withdrawal), (admin, admins)):
        with pytest.raises(Forbidden):
            await settle(backend, caller, target, FAILED)

    assert [row.status for row in [*await own(backend, owner), *await own(backend, admin)]] == [HELD, HELD]


async def test_an_unknown_withdrawal_is_told_to_admins_only(backend: Backend) -> None:
    owner, admin = await backend.user(balance="10.00"), await backend.user(Role.ADMIN)
    unknown = Withdrawal(
        uuid4(), owner.user_id, Money.parse("1"), HELD, uuid4(), (await held(backend, owner, "1")).created_at
    )

    with pytest.raises(WithdrawalNotFound):
        await settle(backend, admin, unknown, FAILED)
    with pytest.raises(Forbidden):
        await settle(backend, owner, unknown, FAILED)


async def test_the_money_of_a_deleted_user_comes_back_to_the_frozen_wallet(backend: Backend) -> None:
    owner, admin = await backend.user(balance="10.00"), await backend.user(Role.ADMIN)
    withdrawal = await held(backend, owner, "4")
    await backend.has_account_status(owner, AccountStatus.DELETED)

    await settle(backend, admin, withdrawal, FAILED)

    assert (await backend.wallet(owner)).balance == Money(Decimal("10.00"))


async def test_money_that_does_not_fit_waits_in_the_withdrawal(backend: Backend) -> None:
    owner, admin = await backend.user(balance="99999999.99"), await backend.user(Role.ADMIN)
    withdrawal = await held(backend, owner, "1")
    payer = await backend.user(balance="1.00")
    await pay(backend, payer, owner, "1")

    with pytest.raises(BalanceLimit):
        await settle(backend, admin, withdrawal, FAILED)

    assert await own(backend, owner) == [withdrawal]


async def test_pages_hold_each_withdrawal_once_newest_first(backend: Backend) -> None:
    owner = await backend.user(balance="10.00")
    made = [await held(backend, owner, "1", key=str(number)) for number in range(5)]
    read = ReadWallet(backend.accounts, backend.wallets)

    found: list[Withdrawal] = []
    after: Position | None = None
    while True:
        page = await read.withdrawals(owner, HELD, PageRequest(2, after))
        found.extend(row_as(row, Withdrawal) for row in page.items)
        if (after := page.next_after) is None:
            break

    assert found == made[::-1]


async def test_the_queue_is_the_admins_oldest_first_and_filtered(backend: Backend) -> None:
    one, other = await backend.user(balance="10.00"), await backend.user(balance="10.00")
    admin = await backend.user(Role.ADMIN)
    made = [await held(backend, owner, "1", key=str(n)) for n in range(2) for owner in (one, other)]
    settled = await settle(backend, admin, made[1], COMPLETED)
    read = backend.read_vault.withdrawals

    first = await read(admin, HELD, ORIGIN, PageRequest(2))
    rest = await read(admin, HELD, ORIGIN, PageRequest(2, first.next_after))

    assert _withdrawals(first) == [made[0], made[2]]
    assert first.next_after == Position(made[2].created_at, made[2].id)
    assert (_withdrawals(rest), rest.next_after) == ([made[3]], None)
    assert _withdrawals(await read(admin, COMPLETED, ORIGIN, PageRequest(2))) == [settled]
    with pytest.raises(Forbidden):
        await read(await backend.user(Role.MODERATOR), None, ORIGIN, PageRequest(2))


def _withdrawals(page: Page[Row, Position]) -> list[Withdrawal]:
    return [row_as(row, Withdrawal) for row in page.items]


async def test_somebody_elses_withdrawals_are_not_shown(backend: Backend) -> None:
    owner, other = await backend.user(balance="10.00"), await backend.user()
    await held(backend, owner, "1")

    assert await own(backend, other) == []
