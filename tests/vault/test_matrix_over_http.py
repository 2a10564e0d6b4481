"""The whole policy table over HTTP, on Postgres: each route answers, and records, what the table says."""

from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from uuid import UUID, uuid4

import httpx
import pytest

from domain.identity import AccountStatus, Role
from domain.policies import POLICIES, Action, audit_action
from support.forms import sized
from vault.actions import READING, UNRECORDED
from vault.factories import Factories, TestUser
from vault.matrix import ROLE_OF_TARGET, Case, Target, cases

pytestmark = pytest.mark.anyio

Request = Callable[[httpx.AsyncClient, UUID], Awaitable[httpx.Response]]


def _decide(status: str) -> Request:
    return lambda http, post: http.post(f"/vault/posts/{post}/validation", json={"status": status})


def _keyed(http: httpx.AsyncClient, path: str, body: dict[str, str]) -> Awaitable[httpx.Response]:
    return http.post(path, json=body, headers={"Idempotency-Key": str(uuid4())})


def _pay(http: httpx.AsyncClient, target: UUID) -> Awaitable[httpx.Response]:
    return _keyed(http, "/wallet/transfers", {"recipient_id": str(target), "amount": "1"})


# How each action is tried: the route. A new action without one fails.
REQUESTS: dict[Action, Request] = {
    Action.TRANSFER: _pay,
    Action.WITHDRAW: lambda http, _: _keyed(http, "/wallet/withdrawals", {"amount": "1"}),
    Action.ADJUST_BALANCE: lambda http, target: _keyed(
        http, f"/vault/users/{target}/transactions", {"kind": "bonus", "amount": "1", "note": "for the poem"}
    ),
    Action.REVERSE_TRANSACTION: lambda http, transaction: http.post(
        f"/vault/transactions/{transaction}/reversal", json={"reason": "by mistake"}
    ),
    Action.READ_BOOKS: lambda http, _: http.get("/vault/books"),
    Action.READ_APPROVALS: lambda http, _: http.get("/vault/approvals", params={"limit": 1}),
    Action.DECIDE_APPROVAL: lambda http, approval: http.post(
        f"/vault/approvals/{approval}", json={"decision": "rejected"}
    ),
    Action.READ_WITHDRAWALS: lambda http, _: http.get("/vault/withdrawals", params={"limit": 1}),
    Action.SETTLE_WITHDRAWAL: lambda http, withdrawal: http.post(
        f"/vault/withdrawals/{withdrawal}/settlement", json={"outcome": "completed"}
    ),
    Action.READ_POSTS: lambda http, _: http.get("/vault/posts", params={"limit": 1}),
    Action.VALIDATE_POST: _decide("rejected"),
    Action.REOPEN_POST: _decide("pending"),
    Action.READ_USERS: lambda http, target: http.get(f"/vault/users/{target}"),
    Action.READ_BALANCES: lambda http, target: http.get(f"/vault/users/{target}"),
    Action.CHANGE_ROLE: lambda http, target: http.put(
        f"/vault/users/{target}/role", json={"role": "moderator"}
    ),
    Action.BAN_USER: lambda http, target: http.put(f"/vault/users/{target}/ban", json={"reason": "spam"}),
    Action.LIFT_BAN: lambda http, target: http.delete(f"/vault/users/{target}/ban"),
    Action.READ_REWARD_RATES: lambda http, _: http.get("/vault/reward-rates"),
    Action.CHANGE_REWARD_RATE: lambda http, _: http.put(
        "/vault/reward-rates/post_approved", json={"amount": "1"}
    ),
    Action.READ_AUDIT_LOG: lambda http, _: http.get("/vault/audit-log", params={"limit": 1}),
}
ABOUT_POSTS = {Action.READ_POSTS, Action.VALIDATE_POST, Action.REOPEN_POST}


async def test_every_action_has_a_row_in_the_table_and_a_route() -> None:
    assert set(Action) == {row.action for row in POLICIES} == set(REQUESTS)


@pytest.mark.parametrize("action", Action)
async def test_a_route_answers_and_records_what_the_table_says(factories: Factories, action: Action) -> None:
    async with factories.client() as usual, factories.client(strict=True) as strict:
        for case in _tried(action, factories):
            me = await factories.make_user(case.role, anonymous=case.anonymous, assurance=case.assurance)
            http = strict if case.strict else usual
            http.headers["Authorization"] = f"Bearer {me.token}"
            target = await _target(factories, case, me)
            await factories.has_account_status(me, case.account_status)

            answer = await REQUESTS[action](http, target)

            assert _code(answer, action) == case.expected, case
            assert await factories.audit(me) == _recorded(case, answer), case


def _tried(action: Action, factories: Factories) -> Iterator[Case]:
    """Every case; where posts are clips, what has nothing to do with posts is a sample of them in the suite.

    A step of seven, which no number of values divides, meets every value of every column.
    """
    where_posts_are_clips = not factories.place.own_posts
    is_sampled = where_posts_are_clips and action not in ABOUT_POSTS
    return islice(cases(action), None, None, sized(7, 1) if is_sampled else 1)


async def _target(factories: Factories, case: Case, me: TestUser) -> UUID:
    role = ROLE_OF_TARGET.get(case.target, Role.USER)
    somebody = me if case.target is Target.ONESELF else await factories.make_user(role)
    if case.action is Action.VALIDATE_POST:
        return await factories.post(somebody)
    if case.action is Action.REOPEN_POST:
        return await factories.post(somebody, validation_status="rejected")
    if case.action is Action.SETTLE_WITHDRAWAL:
        return await factories.withdrawal(somebody)
    if case.action is Action.REVERSE_TRANSACTION:
        return await factories.bonus(somebody)
    if case.action is Action.DECIDE_APPROVAL:
        return await factories.approval(somebody, await factories.make_user(Role.USER))
    if case.action is Action.LIFT_BAN and somebody is not me:
        await factories.has_account_status(somebody, AccountStatus.BANNED)
    if case.action is Action.CHANGE_REWARD_RATE:
        await factories.platform.execute("delete from private.reward_rates")
    return somebody.id


def _code(answer: httpx.Response, action: Action) -> str | None:
    """The refusal by policy in an answer; an answer without a balance refuses the balance."""
    if answer.status_code in {401, 403}:
        return str(answer.json()["code"])
    assert answer.is_success or (action in UNRECORDED and answer.status_code == 409), answer.text
    if action is Action.READ_BALANCES and "balance" not in answer.json():
        return "forbidden"
    return None


def _recorded(case: Case, answer: httpx.Response) -> list[tuple[str, str | None]]:
    """What the audit log must say: every refusal in the vault, and every change."""
    action, refused = case.action, case.expected
    if action in UNRECORDED or (answer.is_success and action in READING):
        return []
    if refused is None and action is Action.CHANGE_ROLE and case.target is Target.MODERATOR:
        return []  # is one already
    return [(audit_action(action), refused)]
