"""The whole policy table on the in-memory adapters: each use-case answers, and records, what the table says."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from contract.world import MemoryWorld
from domain.approvals import ask
from domain.errors import Forbidden, Unauthenticated
from domain.identity import AccountStatus, Assurance, Principal, Role
from domain.policies import Action, Requirements, audit_action
from domain.posts import PostStatus
from domain.wallet import TransactionKind, Wallet
from domain.withdrawals import hold
from vault.matrix import ROLE_OF_AIM, Aim, Situation, situations
from vault.trying import ONE, READING, TRIES, UNRECORDED, Try

pytestmark = pytest.mark.anyio


async def test_every_action_can_be_tried() -> None:
    assert set(TRIES) == set(Action)


@pytest.mark.parametrize("action", Action)
async def test_a_use_case_answers_and_records_what_the_table_says(action: Action) -> None:
    for situation in situations(action):
        world = MemoryWorld()
        me = replace(
            await world.user(situation.role, is_anonymous=situation.anonymous), assurance=situation.assurance
        )
        target = await _target(world, situation, me)
        await world.has_account_status(me, situation.account_status)
        requirements = Requirements(Assurance.AAL2 if situation.strict else Assurance.AAL1)

        refused = await _try(Try(world, requirements, me, target), action)

        assert refused == situation.expected, situation
        recorded = [(entry.action, entry.refusal) for entry in await world.audit()]
        assert recorded == _expected_record(situation, refused), situation


async def _try(at: Try, action: Action) -> str | None:
    try:
        await TRIES[action](at)
    except (Forbidden, Unauthenticated) as refusal:
        return refusal.code
    return None


async def _target(world: MemoryWorld, situation: Situation, me: Principal) -> UUID:
    for _ in range(2):
        await world.user(Role.ADMIN)  # so that there is always another one
    somebody = me
    if situation.aim is not Aim.ONESELF:
        somebody = await world.user(ROLE_OF_AIM.get(situation.aim, Role.USER))
    if situation.action in MADE:
        return await MADE[situation.action](world, somebody)
    if situation.action is Action.LIFT_BAN and somebody is not me:
        await world.has_account_status(somebody, AccountStatus.BANNED)
    return somebody.user_id


async def _post(world: MemoryWorld, author: Principal) -> UUID:
    return (await world.post(author)).id


async def _rejected(world: MemoryWorld, author: Principal) -> UUID:
    return (await world.post(author, status=PostStatus.REJECTED)).id


async def _withdrawal(world: MemoryWorld, owner: Principal) -> UUID:
    held = hold(Wallet(owner.user_id, ONE), ONE, ids=(uuid4(), uuid4()), at=datetime.now(UTC), note=None)
    world.tables.withdrawals[held.withdrawal.id] = held.withdrawal
    return held.withdrawal.id


async def _bonus(world: MemoryWorld, owner: Principal) -> UUID:
    wallet = world.tables.wallets[owner.user_id]
    row = wallet.book(TransactionKind.BONUS, ONE, id=uuid4(), at=datetime.now(UTC))
    world.tables.ledger.append(row)
    world.tables.wallets[owner.user_id] = wallet.after(row)
    return row.id


async def _approval(world: MemoryWorld, requested_by: Principal) -> UUID:
    owner = await world.user()
    made = ask(
        "vault.adjust_balance", owner.user_id, {}, id=uuid4(), by=requested_by.user_id, at=datetime.now(UTC)
    )
    world.tables.approvals[made.id] = made
    return made.id


MADE: dict[Action, Callable[[MemoryWorld, Principal], Awaitable[UUID]]] = {
    Action.READ_POSTS: _post,
    Action.VALIDATE_POST: _post,
    Action.REOPEN_POST: _rejected,
    Action.SETTLE_WITHDRAWAL: _withdrawal,
    Action.REVERSE_TRANSACTION: _bonus,
    Action.DECIDE_APPROVAL: _approval,
}
"""What an action is aimed at, where that is no user."""


def _expected_record(situation: Situation, refused: str | None) -> list[tuple[str, str | None]]:
    action = situation.action
    if action in UNRECORDED or (refused is None and action in READING):
        return []
    if (
        action is Action.READ_BALANCES
        and situation.expected == "forbidden"
        and situation.role is not Role.USER
    ):
        return []  # the user is shown, without the balance
    if refused is None and action is Action.CHANGE_ROLE and situation.aim is Aim.MODERATOR:
        return []  # is one already
    return [(audit_action(action), refused)]
