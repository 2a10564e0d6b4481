"""What taking a transaction back by name promises, on every adapter."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from application.vault.adjustments import PostedReversal, ReverseTransaction
from contract.backend import Backend
from contract.test_bookings import book
from contract.test_double_entry import totals
from contract.test_transfers import pay
from contract.test_withdrawals import FAILED, held, settle
from domain.audit import AuditAction, RequestInfo
from domain.errors import (
    BalanceLimit,
    DomainError,
    Forbidden,
    InsufficientFunds,
    InvalidInput,
    NotFound,
    UserNotFound,
)
from domain.identity import AccountStatus, Principal, Role
from domain.wallet import Transaction, TransactionKind

pytestmark = pytest.mark.anyio

ORIGIN = RequestInfo("request", None)
BONUS, PENALTY, REVERSAL = TransactionKind.BONUS, TransactionKind.PENALTY, TransactionKind.REVERSAL


async def take_back(backend: Backend, admin: Principal, transaction_id: UUID) -> PostedReversal:
    return await ReverseTransaction(backend.transactions)(admin, transaction_id, "by mistake", ORIGIN)


async def newest(backend: Backend, owner: Principal) -> Transaction:
    return (await backend.ledger(owner))[-1]


async def balances(backend: Backend, *owners: Principal) -> Sequence[str]:
    return [str((await backend.wallet(owner)).balance) for owner in owners]


@pytest.mark.parametrize(("kind", "after"), [(BONUS, "10.00"), (PENALTY, "10.00")])
async def test_an_adjustment_is_taken_back_by_a_row_that_names_it(
    backend: Backend, kind: TransactionKind, after: str
) -> None:
    admin, owner = await backend.user(Role.ADMIN), await backend.user(balance="10.00")
    await book(backend, admin, owner, kind, "2.505")
    corrected = await newest(backend, owner)

    posted = await take_back(backend, admin, corrected.id)

    row = await newest(backend, owner)
    assert posted == PostedReversal((row,), posted.shortfall, is_new=True)
    assert (row.kind, row.amount, row.reference_id) == (REVERSAL, -corrected.amount, corrected.id)
    assert await balances(backend, owner) == [after]
    assert set(await totals(backend)) == {"opening"}
    entry = (await backend.audit())[-1]
    assert (entry.action, entry.target_id, entry.reason) == (
        AuditAction.TRANSACTION_REVERSED,
        corrected.id,
        "by mistake",
    )
    assert entry.after["transaction_id"] == str(row.id)
    assert (await backend.owed())[-1].payload["kind"] == "reversal"


@pytest.mark.parametrize("side", [0, 1])
async def test_a_transfer_is_taken_back_on_both_sides(backend: Backend, side: int) -> None:
    admin = await backend.user(Role.ADMIN)
    people = [await backend.user(balance="10.00"), await backend.user()]
    await pay(backend, people[0], people[1], "4")

    posted = await take_back(backend, admin, (await newest(backend, people[side])).id)

    assert {row.user_id for row in posted.transactions} == {person.user_id for person in people}
    assert await balances(backend, *people) == ["10.00", "0.00"]
    assert set(await totals(backend)) == {"opening"}


async def test_it_is_limited_to_what_the_wallet_holds(backend: Backend) -> None:
    admin = await backend.user(Role.ADMIN)
    sender, recipient, third = await backend.user(balance="10.00"), await backend.user(), await backend.user()
    await pay(backend, sender, recipient, "4")
    sent = await newest(backend, sender)
    await pay(backend, recipient, third, "3", key="on")

    posted = await take_back(backend, admin, sent.id)

    assert str(posted.shortfall) == "3.00"
    assert (await backend.audit())[-1].after["shortfall"] == "3.00"
    assert await balances(backend, sender, recipient, third) == ["7.00", "0.00", "3.00"]


async def test_it_happens_once(backend: Backend) -> None:
    admin, owner = await backend.user(Role.ADMIN), await backend.user()
    await book(backend, admin, owner, BONUS, "5")
    bonus = await newest(backend, owner)
    first = await take_back(backend, admin, bonus.id)
    recorded = len(await backend.audit())

    again = await take_back(backend, admin, bonus.id)

    assert again == PostedReversal(first.transactions, first.shortfall, is_new=False)
    assert (await balances(backend, owner), len(await backend.audit())) == (["0.00"], recorded)


async def test_nobody_takes_back_what_moved_their_own_wallet(backend: Backend) -> None:
    admin, owner = await backend.user(Role.ADMIN), await backend.user(balance="5.00")
    await pay(backend, owner, admin, "2")

    with pytest.raises(Forbidden):
        await take_back(backend, admin, (await newest(backend, owner)).id)
    with pytest.raises(Forbidden):
        await take_back(backend, owner, (await newest(backend, owner)).id)

    assert await balances(backend, owner, admin) == ["3.00", "2.00"]


async def refused(backend: Backend, admin: Principal, transaction_id: UUID, error: type[DomainError]) -> None:
    before = len(await backend.owed())
    with pytest.raises(error):
        await take_back(backend, admin, transaction_id)
    assert len(await backend.owed()) == before


async def test_what_is_neither_adjustment_nor_transfer_is_not_taken_back(backend: Backend) -> None:
    admin, owner = await backend.user(Role.ADMIN), await backend.user(balance="5.00")
    await refused(backend, admin, (await newest(backend, owner)).id, InvalidInput)
    await held(backend, owner, "1")
    await refused(backend, admin, (await newest(backend, owner)).id, InvalidInput)


async def test_nor_is_it_once_it_went_back_by_its_own_way(backend: Backend) -> None:
    admin, owner = await backend.user(Role.ADMIN), await backend.user(balance="5.00")
    withdrawal = await held(backend, owner, "1")
    await settle(backend, admin, withdrawal, FAILED)

    await refused(backend, admin, withdrawal.transaction_id, InvalidInput)


async def test_what_is_not_there_is_not_found(backend: Backend) -> None:
    await refused(backend, await backend.user(Role.ADMIN), uuid4(), NotFound)


async def test_a_wallet_that_holds_nothing_gives_nothing(backend: Backend) -> None:
    admin, owner, other = await backend.user(Role.ADMIN), await backend.user(), await backend.user()
    await book(backend, admin, owner, BONUS, "5")
    bonus = await newest(backend, owner)
    await pay(backend, owner, other, "5")

    await refused(backend, admin, bonus.id, InsufficientFunds)


async def test_a_full_wallet_takes_nothing(backend: Backend) -> None:
    admin, owner = await backend.user(Role.ADMIN), await backend.user(balance="99999999.9999")
    await book(backend, admin, owner, PENALTY, "5", key="a")
    penalty = await newest(backend, owner)
    await book(backend, admin, owner, BONUS, "5", key="b")

    await refused(backend, admin, penalty.id, BalanceLimit)


async def test_a_deleted_users_wallet_stays_as_it_is(backend: Backend) -> None:
    admin, owner = await backend.user(Role.ADMIN), await backend.user()
    await book(backend, admin, owner, BONUS, "5")
    bonus = await newest(backend, owner)
    await backend.has_account_status(owner, AccountStatus.DELETED)

    await refused(backend, admin, bonus.id, UserNotFound)
