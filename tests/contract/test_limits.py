"""What a deployment allows: minimum, limits of a day, and what two admins decide, on every adapter."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from application.idempotency import StoredResponse
from application.ports import PageRequest
from application.vault.adjustments import AdjustBalance, AdjustCommand
from application.vault.approvals import DecideApproval, DecideCommand
from application.vault.withdrawals import SettleCommand, SettleWithdrawal
from application.wallet.transfers import TransferCommand, TransferFunds
from application.wallet.withdrawals import WithdrawCommand, WithdrawFunds
from contract.backend import Backend, key_of, read_json
from contract.test_double_entry import totals
from contract.test_withdrawals import held
from domain.approvals import LIFETIME, Approval, ApprovalStatus, ask
from domain.audit import RequestInfo
from domain.errors import (
    BelowMinimum,
    DailyLimit,
    DomainError,
    Forbidden,
    InsufficientFunds,
    NotFound,
    WalletFrozen,
)
from domain.identity import Principal, Role
from domain.limits import Limits
from domain.money import Money
from domain.wallet import TransactionKind
from domain.withdrawals import WithdrawalStatus

pytestmark = pytest.mark.anyio

ORIGIN = RequestInfo("request", None)
APPROVED, REJECTED = ApprovalStatus.APPROVED, ApprovalStatus.REJECTED


def money(text: str) -> Money:
    return Money(Decimal(text))


LIMITS = Limits(
    withdrawal_minimum=money("5"),
    withdrawal_daily=money("20"),
    transfer_daily=money("10"),
    second_admin_above=money("100"),
)


async def withdraw(backend: Backend, owner: Principal, amount: str) -> None:
    key = key_of(str(uuid4()), "/wallet/withdrawals", {"amount": amount})
    await WithdrawFunds(backend.transactions, LIMITS)(owner, WithdrawCommand(money(amount)), key)


async def pay(
    backend: Backend, owner: Principal, to: Principal, amount: str, limits: Limits = LIMITS
) -> None:
    key = key_of(str(uuid4()), "/wallet/transfers", {"amount": amount})
    await TransferFunds(backend.transactions, limits)(owner, TransferCommand(to.user_id, money(amount)), key)


async def give(backend: Backend, admin: Principal, owner: Principal, amount: str) -> StoredResponse:
    command = AdjustCommand(owner.user_id, TransactionKind.BONUS, money(amount), "for the poem")
    key = key_of(str(uuid4()), "/", {"amount": amount})
    return await AdjustBalance(backend.transactions, LIMITS)(admin, command, key, ORIGIN)


async def asked(backend: Backend, admin: Principal, owner: Principal, amount: str) -> UUID:
    response = await give(backend, admin, owner, amount)
    assert response.status == 202
    return read_json(response.body, Approval).id


async def decide(
    backend: Backend, admin: Principal, approval_id: UUID, status: ApprovalStatus = APPROVED
) -> Approval:
    return await DecideApproval(backend.transactions)(admin, DecideCommand(approval_id, status), ORIGIN)


async def balance(backend: Backend, owner: Principal) -> str:
    return str((await backend.wallet(owner)).balance)


async def waiting(
    backend: Backend, admin: Principal, status: ApprovalStatus = ApprovalStatus.WAITING
) -> list[UUID]:
    page = await backend.read_vault.approvals(admin, status, ORIGIN, PageRequest(50))
    assert {row["status"] for row in page.items} <= {status}
    return [row["id"] for row in page.items]


async def test_a_small_withdrawal_is_refused(backend: Backend) -> None:
    owner = await backend.user(balance="50.00")

    with pytest.raises(BelowMinimum):
        await withdraw(backend, owner, "4.99")
    await withdraw(backend, owner, "5")

    assert await balance(backend, owner) == "45.00"


async def test_a_wallet_pays_out_so_much_a_day(backend: Backend) -> None:
    owner = await backend.user(balance="50.00")
    await withdraw(backend, owner, "15")

    with pytest.raises(DailyLimit):
        await withdraw(backend, owner, "5.01")
    await withdraw(backend, owner, "5")

    assert await balance(backend, owner) == "30.00"


async def test_a_wallet_sends_so_much_a_day_however_much_it_receives(backend: Backend) -> None:
    owner, other = await backend.user(balance="50.00"), await backend.user(balance="50.00")
    await pay(backend, owner, other, "9.9999")
    await pay(backend, other, owner, "10")

    with pytest.raises(DailyLimit):
        await pay(backend, owner, other, "0.0002")
    await pay(backend, owner, other, "0.0001")


async def test_money_that_came_and_went_counts_beyond_what_a_wallet_can_hold(backend: Backend) -> None:
    owner, other = await backend.user(balance="90000000.00"), await backend.user()
    for payer, payee in ((owner, other), (other, owner), (owner, other), (other, owner)):
        await pay(backend, payer, payee, "90000000", Limits())

    with pytest.raises(DailyLimit, match=r"given 180000000\.00"):
        await pay(backend, owner, other, "1")


async def test_nothing_leaves_a_frozen_wallet_and_it_takes_money_in(backend: Backend) -> None:
    owner, other = await backend.user(balance="50.00"), await backend.user(balance="50.00")
    await backend.freeze(owner)

    with pytest.raises(WalletFrozen):
        await pay(backend, owner, other, "1")
    with pytest.raises(WalletFrozen):
        await withdraw(backend, owner, "5")
    await pay(backend, other, owner, "1")
    with pytest.raises(WalletFrozen):
        await pay(backend, owner, other, "1")

    assert (await balance(backend, owner), await balance(backend, other)) == ("51.00", "49.00")


async def test_transfers_and_withdrawals_are_counted_apart(backend: Backend) -> None:
    owner, other = await backend.user(balance="50.00"), await backend.user()
    await pay(backend, owner, other, "10")
    await withdraw(backend, owner, "20")
    assert await balance(backend, owner) == "20.00"


async def test_a_limit_holds_for_requests_at_the_same_moment(backend: Backend) -> None:
    owner = await backend.user(balance="500.00")
    people = [await backend.user() for _ in range(8)]

    results = await asyncio.gather(
        *(pay(backend, owner, person, "3") for person in people), return_exceptions=True
    )

    refused = [result for result in results if isinstance(result, DomainError)]
    assert len(refused) == 5
    assert {type(result) for result in refused} == {DailyLimit}
    assert await balance(backend, owner) == "491.00"


async def test_a_first_payment_to_somebody_counts_too(backend: Backend) -> None:
    owner, newcomer = await backend.user(balance="50.00"), await backend.newcomer()
    await pay(backend, owner, await backend.user(), "8")

    with pytest.raises(DomainError):
        await pay(backend, owner, newcomer, "3")

    assert await balance(backend, owner) == "42.00"


async def test_up_to_the_amount_one_admin_is_enough(backend: Backend) -> None:
    admin, owner = await backend.user(Role.ADMIN), await backend.user()
    assert (await give(backend, admin, owner, "100")).status == 201
    assert await balance(backend, owner) == "100.00"


async def test_a_large_adjustment_waits_for_another_admin(backend: Backend) -> None:
    admin, second, owner = (
        await backend.user(Role.ADMIN),
        await backend.user(Role.ADMIN),
        await backend.user(),
    )

    approval_id = await asked(backend, admin, owner, "100.0001")

    assert await balance(backend, owner) == "0.00"
    assert await waiting(backend, second) == [approval_id]
    assert [entry.action.value for entry in await backend.audit()] == ["approval.requested"]

    approval = await decide(backend, second, approval_id)

    assert (approval.status, approval.decided_by) == (APPROVED, second.user_id)
    assert await balance(backend, owner) == "100.0001"
    assert await waiting(backend, second) == []
    entry = (await backend.audit())[-1]
    assert (entry.actor_id, entry.before["requested_by"]) == (second.user_id, str(admin.user_id))
    assert entry.after["transaction_id"] == str((await backend.ledger(owner))[-1].id)
    assert await totals(backend) == {"adjustments": Decimal("-100.0001")}


async def test_nobody_decides_on_their_own_request_or_wallet(backend: Backend) -> None:
    admin, second = await backend.user(Role.ADMIN), await backend.user(Role.ADMIN)
    approval_id = await asked(backend, admin, second, "500")

    for somebody in (admin, second, await backend.user(Role.MODERATOR)):
        with pytest.raises(Forbidden):
            await decide(backend, somebody, approval_id)

    assert await balance(backend, second) == "0.00"


async def test_a_rejected_request_does_nothing(backend: Backend) -> None:
    admin, second, owner = (
        await backend.user(Role.ADMIN),
        await backend.user(Role.ADMIN),
        await backend.user(),
    )
    approval_id = await asked(backend, admin, owner, "500")

    await decide(backend, second, approval_id, REJECTED)

    assert await balance(backend, owner) == "0.00"
    with pytest.raises(NotFound):
        await decide(backend, second, approval_id)


async def test_the_same_decision_again_changes_nothing(backend: Backend) -> None:
    admin, second, owner = (
        await backend.user(Role.ADMIN),
        await backend.user(Role.ADMIN),
        await backend.user(),
    )
    approval_id = await asked(backend, admin, owner, "500")
    first = await decide(backend, second, approval_id)

    assert await decide(backend, second, approval_id) == first
    assert await balance(backend, owner) == "500.00"


async def test_what_can_not_be_done_goes_on_waiting(backend: Backend) -> None:
    admin, second, owner = (
        await backend.user(Role.ADMIN),
        await backend.user(Role.ADMIN),
        await backend.user(),
    )
    command = AdjustCommand(owner.user_id, TransactionKind.PENALTY, money("500"), "n")
    response = await AdjustBalance(backend.transactions, LIMITS)(
        admin, command, key_of("key", "/", {}), ORIGIN
    )
    approval_id = read_json(response.body, Approval).id

    with pytest.raises(InsufficientFunds):
        await decide(backend, second, approval_id)

    assert await waiting(backend, second) == [approval_id]


async def settle(
    backend: Backend, admin: Principal, withdrawal_id: UUID, outcome: WithdrawalStatus
) -> object:
    command = SettleCommand(withdrawal_id, outcome)
    return await SettleWithdrawal(backend.transactions, LIMITS)(admin, command, ORIGIN)


async def test_a_large_payout_waits_for_another_admin(backend: Backend) -> None:
    admin, second = await backend.user(Role.ADMIN), await backend.user(Role.ADMIN)
    withdrawal = await held(backend, await backend.user(balance="500.00"), "200")

    first = await settle(backend, admin, withdrawal.id, WithdrawalStatus.COMPLETED)
    again = await settle(backend, second, withdrawal.id, WithdrawalStatus.COMPLETED)
    assert isinstance(first, Approval)
    assert again == first
    assert (await totals(backend))["payouts_pending"] == 200

    await decide(backend, second, first.id)

    assert (await totals(backend))["payouts_paid"] == 200
    settled = await settle(backend, admin, withdrawal.id, WithdrawalStatus.COMPLETED)
    assert not isinstance(settled, Approval)


async def test_what_has_expired_is_listed_as_that_and_waits_no_more(backend: Backend) -> None:
    admin, second, owner = (
        await backend.user(Role.ADMIN),
        await backend.user(Role.ADMIN),
        await backend.user(),
    )
    expired, still = await asked(backend, admin, owner, "500"), await asked(backend, admin, owner, "600")

    await backend.expire(expired)

    assert await waiting(backend, second) == [still]
    assert await waiting(backend, second, ApprovalStatus.EXPIRED) == [expired]
    with pytest.raises(NotFound):
        await decide(backend, second, expired)
    assert await balance(backend, owner) == "0.00"


async def test_a_payout_is_asked_for_anew_once_nobody_decided_in_time(backend: Backend) -> None:
    admin, second = await backend.user(Role.ADMIN), await backend.user(Role.ADMIN)
    withdrawal = await held(backend, await backend.user(balance="500.00"), "200")
    first = await settle(backend, admin, withdrawal.id, WithdrawalStatus.COMPLETED)
    assert isinstance(first, Approval)
    await backend.expire(first.id)

    again = await settle(backend, admin, withdrawal.id, WithdrawalStatus.COMPLETED)

    assert isinstance(again, Approval)
    assert (await waiting(backend, second), await waiting(backend, second, ApprovalStatus.EXPIRED)) == (
        [again.id],
        [first.id],
    )
    await decide(backend, second, again.id)
    assert (await totals(backend))["payouts_paid"] == 200


async def test_a_payout_that_failed_needs_one_admin(backend: Backend) -> None:
    admin = await backend.user(Role.ADMIN)
    owner = await backend.user(balance="500.00")
    withdrawal = await held(backend, owner, "200")

    await settle(backend, admin, withdrawal.id, WithdrawalStatus.FAILED)

    assert await balance(backend, owner) == "500.00"


def test_what_nobody_decided_in_seven_days_has_expired() -> None:
    by = Principal(uuid4(), uuid4()).user_id
    now = datetime.now(UTC)
    approval = ask("vault.adjust_balance", uuid4(), {}, id=uuid4(), by=by, at=now)

    last = now + LIFETIME - timedelta(microseconds=1)
    assert approval.decide(APPROVED, by=uuid4(), at=last).status is APPROVED
    with pytest.raises(NotFound):
        approval.decide(APPROVED, by=uuid4(), at=now + LIFETIME)
    assert not replace(approval, status=ApprovalStatus.EXPIRED).is_waiting(now)
