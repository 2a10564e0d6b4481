"""What taking a transaction back by name promises, on every adapter."""

from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest

from application.vault.adjustments import PostedReversal, ReverseCommand, ReverseTransaction
from contract.test_bookings import book
from contract.test_double_entry import totals
from contract.test_transfers import pay
from contract.test_withdrawals import held
from contract.world import World
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


async def take_back(world: World, admin: Principal, transaction_id: UUID) -> PostedReversal:
    command = ReverseCommand(transaction_id, "by mistake")
    return await ReverseTransaction(world.transactions)(admin, command, ORIGIN)


async def newest(world: World, owner: Principal) -> Transaction:
    return (await world.ledger(owner))[-1]


async def balances(world: World, *owners: Principal) -> Sequence[str]:
    return [str((await world.wallet(owner)).balance) for owner in owners]


@pytest.mark.parametrize(("kind", "after"), [(BONUS, "10.00"), (PENALTY, "10.00")])
async def test_an_adjustment_is_taken_back_by_a_row_that_names_it(
    world: World, kind: TransactionKind, after: str
) -> None:
    admin, owner = await world.user(Role.ADMIN), await world.user(balance="10.00")
    await book(world, admin, owner, kind, "2.505")
    corrected = await newest(world, owner)

    posted = await take_back(world, admin, corrected.id)

    row = await newest(world, owner)
    assert posted == PostedReversal((row,), posted.shortfall, is_new=True)
    assert (row.kind, row.amount, row.reference_id) == (REVERSAL, -corrected.amount, corrected.id)
    assert await balances(world, owner) == [after]
    assert set(await totals(world)) == {"opening"}
    entry = (await world.audit())[-1]
    assert (entry.action, entry.target_id, entry.reason) == (
        AuditAction.TRANSACTION_REVERSED,
        corrected.id,
        "by mistake",
    )
    assert entry.after["transaction_id"] == str(row.id)
    assert (await world.owed())[-1].payload["kind"] == "reversal"


@pytest.mark.parametrize("side", [0, 1])
async def test_a_transfer_is_taken_back_on_both_sides(world: World, side: int) -> None:
    admin = await world.user(Role.ADMIN)
    people = [await world.user(balance="10.00"), await world.user()]
    await pay(world, people[0], people[1], "4")

    posted = await take_back(world, admin, (await newest(world, people[side])).id)

    assert {row.user_id for row in posted.transactions} == {person.user_id for person in people}
    assert await balances(world, *people) == ["10.00", "0.00"]
    assert set(await totals(world)) == {"opening"}


async def test_it_is_limited_to_what_the_wallet_holds(world: World) -> None:
    admin = await world.user(Role.ADMIN)
    sender, recipient, third = await world.user(balance="10.00"), await world.user(), await world.user()
    await pay(world, sender, recipient, "4")
    sent = await newest(world, sender)
    await pay(world, recipient, third, "3", key="on")

    posted = await take_back(world, admin, sent.id)

    assert str(posted.shortfall) == "3.00"
    assert (await world.audit())[-1].after["shortfall"] == "3.00"
    assert await balances(world, sender, recipient, third) == ["7.00", "0.00", "3.00"]


async def test_it_happens_once(world: World) -> None:
    admin, owner = await world.user(Role.ADMIN), await world.user()
    await book(world, admin, owner, BONUS, "5")
    bonus = await newest(world, owner)
    first = await take_back(world, admin, bonus.id)
    recorded = len(await world.audit())

    again = await take_back(world, admin, bonus.id)

    assert again == PostedReversal(first.transactions, first.shortfall, is_new=False)
    assert (await balances(world, owner), len(await world.audit())) == (["0.00"], recorded)


async def test_nobody_takes_back_what_moved_their_own_wallet(world: World) -> None:
    admin, owner = await world.user(Role.ADMIN), await world.user(balance="5.00")
    await pay(world, owner, admin, "2")

    with pytest.raises(Forbidden):
        await take_back(world, admin, (await newest(world, owner)).id)
    with pytest.raises(Forbidden):
        await take_back(world, owner, (await newest(world, owner)).id)

    assert await balances(world, owner, admin) == ["3.00", "2.00"]


async def refused(world: World, admin: Principal, transaction_id: UUID, error: type[DomainError]) -> None:
    before = len(await world.owed())
    with pytest.raises(error):
        await take_back(world, admin, transaction_id)
    assert len(await world.owed()) == before


async def test_what_is_neither_adjustment_nor_transfer_is_not_taken_back(world: World) -> None:
    admin, owner = await world.user(Role.ADMIN), await world.user(balance="5.00")
    await refused(world, admin, (await newest(world, owner)).id, InvalidInput)
    await held(world, owner, "1")
    await refused(world, admin, (await newest(world, owner)).id, InvalidInput)


async def test_what_is_not_there_is_not_found(world: World) -> None:
    await refused(world, await world.user(Role.ADMIN), uuid4(), NotFound)


async def test_a_wallet_that_holds_nothing_gives_nothing(world: World) -> None:
    admin, owner, other = await world.user(Role.ADMIN), await world.user(), await world.user()
    await book(world, admin, owner, BONUS, "5")
    bonus = await newest(world, owner)
    await pay(world, owner, other, "5")

    await refused(world, admin, bonus.id, InsufficientFunds)


async def test_a_full_wallet_takes_nothing(world: World) -> None:
    admin, owner = await world.user(Role.ADMIN), await world.user(balance="99999999.9999")
    await book(world, admin, owner, PENALTY, "5", key="a")
    penalty = await newest(world, owner)
    await book(world, admin, owner, BONUS, "5", key="b")

    await refused(world, admin, penalty.id, BalanceLimit)


async def test_a_deleted_users_wallet_stays_as_it_is(world: World) -> None:
    admin, owner = await world.user(Role.ADMIN), await world.user()
    await book(world, admin, owner, BONUS, "5")
    bonus = await newest(world, owner)
    await world.has_account_status(owner, AccountStatus.DELETED)

    await refused(world, admin, bonus.id, UserNotFound)
