"""Whatever moves a wallet moves another account by the same amount, on every adapter."""

from decimal import Decimal

import pytest

from contract.backend import Backend
from contract.test_bookings import book
from contract.test_transfers import pay
from contract.test_validation import decide
from contract.test_withdrawals import COMPLETED, FAILED, held, settle
from domain.identity import Role
from domain.posts import PostStatus
from domain.wallet import TransactionKind

pytestmark = pytest.mark.anyio


async def totals(backend: Backend) -> dict[str, Decimal]:
    """Each account's total, those of zero left out."""
    sums: dict[str, Decimal] = {}
    for _, account, amount in await backend.entries():
        sums[account] = sums.get(account, Decimal(0)) + amount
    return {account: total for account, total in sums.items() if total}


async def test_what_a_wallet_began_with_came_from_somewhere(backend: Backend) -> None:
    await backend.user(balance="10.00")
    assert await totals(backend) == {"opening": Decimal(-10)}


async def test_a_transfer_moves_wallets_alone(backend: Backend) -> None:
    one, other = await backend.user(balance="10.00"), await backend.user()
    await pay(backend, one, other, "2.5")
    assert await totals(backend) == {"opening": Decimal(-10)}


async def test_adjustments_stand_against_adjustments(backend: Backend) -> None:
    admin, owner = await backend.user(Role.ADMIN), await backend.user()
    await book(backend, admin, owner, TransactionKind.BONUS, "5", key="a")
    await book(backend, admin, owner, TransactionKind.REFUND, "2", key="b")
    await book(backend, admin, owner, TransactionKind.PENALTY, "3", key="c")
    assert await totals(backend) == {"adjustments": Decimal(-4)}


async def test_a_held_withdrawal_is_owed_and_a_completed_one_is_paid(backend: Backend) -> None:
    admin, owner = await backend.user(Role.ADMIN), await backend.user(balance="10.00")
    withdrawal = await held(backend, owner, "4")
    assert await totals(backend) == {"opening": Decimal(-10), "payouts_pending": Decimal(4)}

    await settle(backend, admin, withdrawal, COMPLETED)

    assert await totals(backend) == {"opening": Decimal(-10), "payouts_paid": Decimal(4)}


async def test_a_failed_withdrawal_is_owed_no_more(backend: Backend) -> None:
    admin, owner = await backend.user(Role.ADMIN), await backend.user(balance="10.00")
    await settle(backend, admin, await held(backend, owner, "4"), FAILED)
    assert await totals(backend) == {"opening": Decimal(-10)}


async def test_a_reward_comes_from_rewards_and_goes_back_there(backend: Backend) -> None:
    await backend.rate("0.005")
    author, moderator = await backend.user(), await backend.user(Role.MODERATOR)
    post = await backend.post(author)
    await decide(backend, moderator, post, PostStatus.APPROVED, seen=1)
    assert await totals(backend) == {"rewards": Decimal("-0.005")}

    await decide(backend, moderator, post, PostStatus.REJECTED, reason="copied")

    assert await totals(backend) == {}
