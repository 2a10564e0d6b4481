"""What a correction by an admin promises, on every adapter."""

from decimal import Decimal
from uuid import uuid4

import pytest

from application.vault.adjustments import AdjustBalance, AdjustCommand
from application.wallet.transfers import PostedTransaction
from contract.backend import Answer, Backend, answered, key_of
from domain.audit import RequestInfo
from domain.errors import BalanceLimit, Forbidden, InsufficientFunds, InvalidInput, UserNotFound
from domain.identity import AccountStatus, Principal, Role
from domain.money import Money
from domain.wallet import TransactionKind

pytestmark = pytest.mark.anyio

ORIGIN = RequestInfo("request", "127.0.0.1")


async def book(
    backend: Backend,
    admin: Principal,
    owner: Principal,
    kind: TransactionKind,
    amount: str,
    key: str = "key",
) -> Answer[PostedTransaction]:
    command = AdjustCommand(owner.user_id, kind, Money.parse(amount), "for the poem")
    body: dict[str, object] = {"kind": kind, "amount": amount, "note": command.note}
    request = key_of(key, f"/vault/users/{owner.user_id}/transactions", body)
    response = await AdjustBalance(backend.transactions)(admin, command, request, ORIGIN)
    return answered(response, PostedTransaction)


@pytest.mark.parametrize(
    ("kind", "amount", "balance"),
    [
        (TransactionKind.BONUS, "2.50", "12.50"),
        (TransactionKind.REFUND, "2.50", "12.50"),
        (TransactionKind.PENALTY, "-2.50", "7.50"),
    ],
)
async def test_a_correction_is_booked_recorded_and_told(
    backend: Backend, kind: TransactionKind, amount: str, balance: str
) -> None:
    owner, admin = await backend.user(balance="10.00"), await backend.user(Role.ADMIN)

    answer = await book(backend, admin, owner, kind, "2.5")

    [_, booked] = await backend.ledger(owner)
    assert answer == Answer(PostedTransaction.of(booked, epoch=1), replayed=False)
    assert (booked.kind, str(booked.amount), booked.note) == (kind, amount, "for the poem")
    assert (await backend.wallet(owner)).balance == Money(Decimal(balance))
    [entry] = await backend.audit()
    assert (entry.action, entry.actor_id, entry.target_id, entry.refusal) == (
        "transaction.booked",
        admin.user_id,
        owner.user_id,
        None,
    )
    [event] = await backend.owed()
    assert (event.user_id, event.payload["balance"]) == (owner.user_id, balance)


async def test_a_retry_books_and_records_once(backend: Backend) -> None:
    owner, admin = await backend.user(), await backend.user(Role.ADMIN)
    first = await book(backend, admin, owner, TransactionKind.BONUS, "1")

    again = await book(backend, admin, owner, TransactionKind.BONUS, "1.00")

    assert again == Answer(first.result, replayed=True)
    assert len(await backend.audit()) == 1


async def test_a_penalty_above_the_balance_is_refused_and_not_recorded(backend: Backend) -> None:
    owner, admin = await backend.user(balance="1.00"), await backend.user(Role.ADMIN)

    with pytest.raises(InsufficientFunds):
        await book(backend, admin, owner, TransactionKind.PENALTY, "1.01")

    assert await backend.audit() == []
    assert (await backend.wallet(owner)).balance == Money(Decimal("1.00"))


async def test_a_full_wallet_takes_no_bonus(backend: Backend) -> None:
    owner, admin = await backend.user(balance="99999999.99"), await backend.user(Role.ADMIN)

    with pytest.raises(BalanceLimit):
        await book(backend, admin, owner, TransactionKind.BONUS, "0.01")


@pytest.mark.parametrize("role", [Role.USER, Role.MODERATOR])
async def test_only_an_admin_books(backend: Backend, role: Role) -> None:
    owner, caller = await backend.user(), await backend.user(role)

    with pytest.raises(Forbidden):
        await book(backend, caller, owner, TransactionKind.BONUS, "1")

    assert await backend.ledger(owner) == []


async def test_nobody_books_on_their_own_wallet(backend: Backend) -> None:
    admin = await backend.user(Role.ADMIN)

    with pytest.raises(Forbidden):
        await book(backend, admin, admin, TransactionKind.BONUS, "1")

    assert await backend.ledger(admin) == []


async def test_an_unknown_or_deleted_user_is_booked_nothing(backend: Backend) -> None:
    owner, admin = await backend.user(balance="1.00"), await backend.user(Role.ADMIN)
    await backend.has_account_status(owner, AccountStatus.DELETED)

    for target in (owner, Principal(uuid4(), uuid4())):
        with pytest.raises(UserNotFound):
            await book(backend, admin, target, TransactionKind.PENALTY, "1", key=str(target.user_id))


async def test_other_kinds_are_never_booked_by_hand(backend: Backend) -> None:
    owner, admin = await backend.user(), await backend.user(Role.ADMIN)

    with pytest.raises(InvalidInput):
        await book(backend, admin, owner, TransactionKind.EARNING, "1")
