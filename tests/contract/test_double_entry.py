"""Whatever moves a wallet moves another account by the same amount, on every adapter."""

from decimal import Decimal

import pytest

from contract.test_bookings import book
from contract.test_transfers import pay
from contract.test_validation import decide
from contract.test_withdrawals import COMPLETED, FAILED, held, settle
from contract.world import World
from domain.identity import Role
from domain.posts import PostStatus
from domain.wallet import TransactionKind

pytestmark = pytest.mark.anyio


async def totals(world: World) -> dict[str, Decimal]:
    """Each account's total, those of zero left out."""
    sums: dict[str, Decimal] = {}
    for _, account, amount in await world.entries():
        sums[account] = sums.get(account, Decimal(0)) + amount
    return {account: total for account, total in sums.items() if total}


async def test_what_a_wallet_began_with_came_from_somewhere(world: World) -> None:
    await world.user(balance="10.00")
    assert await totals(world) == {"opening": Decimal(-10)}


async def test_a_transfer_moves_wallets_alone(world: World) -> None:
    one, other = await world.user(balance="10.00"), await world.user()
    await pay(world, one, other, "2.5")
    assert await totals(world) == {"opening": Decimal(-10)}


async def test_adjustments_stand_against_adjustments(world: World) -> None:
    admin, owner = await world.user(Role.ADMIN), await world.user()
    await book(world, admin, owner, TransactionKind.BONUS, "5", key="a")
    await book(world, admin, owner, TransactionKind.REFUND, "2", key="b")
    await book(world, admin, owner, TransactionKind.PENALTY, "3", key="c")
    assert await totals(world) == {"adjustments": Decimal(-4)}


async def test_a_held_withdrawal_is_owed_and_a_completed_one_is_paid(world: World) -> None:
    admin, owner = await world.user(Role.ADMIN), await world.user(balance="10.00")
    withdrawal = await held(world, owner, "4")
    assert await totals(world) == {"opening": Decimal(-10), "payouts_pending": Decimal(4)}

    await settle(world, admin, withdrawal, COMPLETED)

    assert await totals(world) == {"opening": Decimal(-10), "payouts_paid": Decimal(4)}


async def test_a_failed_withdrawal_is_owed_no_more(world: World) -> None:
    admin, owner = await world.user(Role.ADMIN), await world.user(balance="10.00")
    await settle(world, admin, await held(world, owner, "4"), FAILED)
    assert await totals(world) == {"opening": Decimal(-10)}


async def test_a_reward_comes_from_rewards_and_goes_back_there(world: World) -> None:
    await world.rate("0.005")
    author, moderator = await world.user(), await world.user(Role.MODERATOR)
    post = await world.post(author)
    await decide(world, moderator, post, PostStatus.APPROVED, seen=1)
    assert await totals(world) == {"rewards": Decimal("-0.005")}

    await decide(world, moderator, post, PostStatus.REJECTED, reason="copied")

    assert await totals(world) == {}
