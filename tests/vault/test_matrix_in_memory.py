"""The whole policy table on the in-memory adapters: each use-case answers, and records, what the table says."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from contract.backend import MemoryBackend
from domain.approvals import ask
from domain.errors import Forbidden, Unauthenticated
from domain.identity import AccountStatus, Assurance, Principal, Role
from domain.policies import Action, Requirements, audit_action
from domain.posts import PostStatus
from domain.wallet import TransactionKind, Wallet
from domain.withdrawals import hold
from vault.actions import CALLS, ONE, READING, UNRECORDED, Call
from vault.matrix import ROLE_OF_TARGET, Case, Target, cases

pytestmark = pytest.mark.anyio


async def test_every_action_can_be_tried() -> None:
    assert set(CALLS) == set(Action)


@pytest.mark.parametrize("action", Action)
async def test_a_use_case_answers_and_records_what_the_table_says(action: Action) -> None:
    for case in cases(action):
        backend = MemoryBackend()
        me = replace(await backend.user(case.role, is_anonymous=case.anonymous), assurance=case.assurance)
        target = await _target(backend, case, me)
        await backend.has_account_status(me, case.account_status)
        requirements = Requirements(Assurance.AAL2 if case.strict else Assurance.AAL1)

        refused = await _try(Call(backend, requirements, me, target), action)

        assert refused == case.expected, case
        recorded = [(entry.action, entry.refusal) for entry in await backend.audit()]
        assert recorded == _expected_record(case, refused), case


async def _try(at: Call, action: Action) -> str | None:
    try:
        await CALLS[action](at)
    except (Forbidden, Unauthenticated) as refusal:
        return refusal.code
    return None


async def _target(backend: MemoryBackend, case: Case, me: Principal) -> UUID:
    for _ in range(2):
        await backend.user(Role.ADMIN)  # so that there is always another one
    somebody = me
    if case.target is not Target.ONESELF:
        somebody = await backend.user(ROLE_OF_TARGET.get(case.target, Role.USER))
    if case.action in MADE:
        return await MADE[case.action](backend, somebody)
    if case.action is Action.LIFT_BAN and somebody is not me:
        await backend.has_account_status(somebody, AccountStatus.BANNED)
    return somebody.user_id


async def _post(backend: MemoryBackend, author: Principal) -> UUID:
    return (await backend.post(author)).id


async def _rejected(backend: MemoryBackend, author: Principal) -> UUID:
    return (await backend.post(author, validation_status=PostStatus.REJECTED)).id


async def _withdrawal(backend: MemoryBackend, owner: Principal) -> UUID:
    held = hold(Wallet(owner.user_id, ONE), ONE, ids=(uuid4(), uuid4()), at=datetime.now(UTC), note=None)
    backend.tables.withdrawals[held.withdrawal.id] = held.withdrawal
    return held.withdrawal.id


async def _bonus(backend: MemoryBackend, owner: Principal) -> UUID:
    wallet = backend.tables.wallets[owner.user_id]
    row = wallet.book(TransactionKind.BONUS, ONE, id=uuid4(), at=datetime.now(UTC))
    backend.tables.ledger.append(row)
    backend.tables.wallets[owner.user_id] = wallet.after(row)
    return row.id


async def _approval(backend: MemoryBackend, requested_by: Principal) -> UUID:
    owner = await backend.user()
    made = ask(
        "vault.adjust_balance", owner.user_id, {}, id=uuid4(), by=requested_by.user_id, at=datetime.now(UTC)
    )
    backend.tables.approvals[made.id] = made
    return made.id


MADE: dict[Action, Callable[[MemoryBackend, Principal], Awaitable[UUID]]] = {
    Action.READ_POSTS: _post,
    Action.VALIDATE_POST: _post,
    Action.REOPEN_POST: _rejected,
    Action.SETTLE_WITHDRAWAL: _withdrawal,
    Action.REVERSE_TRANSACTION: _bonus,
    Action.DECIDE_APPROVAL: _approval,
}
"""What an action is aimed at, where that is no user."""


def _expected_record(case: Case, refused: str | None) -> list[tuple[str, str | None]]:
    action = case.action
    if action in UNRECORDED or (refused is None and action in READING):
        return []
    if action is Action.READ_BALANCES and case.expected == "forbidden" and case.role is not Role.USER:
        return []  # the user is shown, without the balance
    if refused is None and action is Action.CHANGE_ROLE and case.target is Target.MODERATOR:
        return []  # is one already
    return [(audit_action(action), refused)]
