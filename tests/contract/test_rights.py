"""What changes of roles, bans and rates promise, on every adapter."""

from decimal import Decimal
from uuid import uuid4

import pytest

from application.ports import PageRequest
from application.vault.posts import ValidatePost
from application.vault.reading import UserFilter
from application.vault.rewards import ChangeRewardRate
from application.vault.users import ChangeUser, UserView
from contract.backend import Backend, row_as
from domain.audit import AuditAction, RequestInfo
from domain.errors import Banned, Forbidden, LastAdmin, SessionRevoked, UserNotFound
from domain.identity import AccountStatus, DisplayFields, Principal, Role
from domain.money import Money
from domain.posts import Decision, PostStatus
from domain.rewards import RewardedAction, RewardRate

pytestmark = pytest.mark.anyio

ORIGIN = RequestInfo("request", "192.0.2.1")


async def change_role(backend: Backend, admin: Principal, target: Principal, role: Role) -> UserView:
    return await ChangeUser(backend.transactions).role(admin, target.user_id, role, ORIGIN)


async def ban(backend: Backend, staff: Principal, target: Principal, reason: str = "spam") -> UserView:
    return await ChangeUser(backend.transactions).ban(staff, target.user_id, reason, ORIGIN)


async def lift(backend: Backend, staff: Principal, target: Principal) -> UserView:
    return await ChangeUser(backend.transactions).lift_ban(staff, target.user_id, ORIGIN)


async def test_a_role_is_changed_and_recorded_with_before_and_after(backend: Backend) -> None:
    admin, user = await backend.user(Role.ADMIN), await backend.user()

    shown = await change_role(backend, admin, user, Role.MODERATOR)

    [entry] = await backend.audit()
    assert shown.user.role is await backend.role(user) is Role.MODERATOR
    assert (entry.action, entry.refusal) == (AuditAction.ROLE_CHANGED, None)
    assert (entry.actor_id, entry.session_id) == (admin.user_id, admin.session_id)
    assert (entry.target_id, entry.before, entry.after) == (
        user.user_id,
        {"role": "user"},
        {"role": "moderator"},
    )
    assert (entry.request, entry.operator) == (ORIGIN, None)


async def test_a_role_that_is_there_already_is_not_recorded(backend: Backend) -> None:
    admin, user = await backend.user(Role.ADMIN), await backend.user()

    await change_role(backend, admin, user, Role.USER)

    assert await backend.audit() == []


async def test_a_new_role_counts_from_the_next_request_on(backend: Backend) -> None:
    admin, former = await backend.user(Role.ADMIN), await backend.user(Role.MODERATOR)
    post = await backend.post(await backend.user())
    await change_role(backend, admin, former, Role.USER)

    decision = Decision(PostStatus.REJECTED, None, None)
    with pytest.raises(Forbidden):
        await ValidatePost(backend.transactions)(former, post.id, decision, ORIGIN)


async def test_the_only_admin_keeps_the_role_and_is_told_why(backend: Backend) -> None:
    admin = await backend.user(Role.ADMIN)
    banned, deleted = await backend.user(Role.ADMIN), await backend.user(Role.ADMIN)
    await backend.has_account_status(banned, AccountStatus.BANNED)
    await backend.has_account_status(deleted, AccountStatus.DELETED)

    with pytest.raises(LastAdmin):
        await change_role(backend, admin, admin, Role.USER)

    assert await backend.role(admin) is Role.ADMIN


async def test_nobody_changes_their_own_role(backend: Backend) -> None:
    admin, _ = await backend.user(Role.ADMIN), await backend.user(Role.ADMIN)

    with pytest.raises(Forbidden) as refused:
        await change_role(backend, admin, admin, Role.USER)

    assert refused.value.code == "forbidden"


async def test_an_unknown_or_deleted_target_is_not_found(backend: Backend) -> None:
    admin, deleted = await backend.user(Role.ADMIN), await backend.user()
    await backend.has_account_status(deleted, AccountStatus.DELETED)

    for target in (deleted, Principal(uuid4(), uuid4())):
        with pytest.raises(UserNotFound):
            await change_role(backend, admin, target, Role.MODERATOR)
        with pytest.raises(UserNotFound):
            await ban(backend, admin, target)
        with pytest.raises(UserNotFound):
            await backend.read_vault.user(admin, target.user_id, ORIGIN)


async def test_a_ban_is_recorded_counts_at_once_and_can_be_lifted(backend: Backend) -> None:
    admin, moderator = await backend.user(Role.ADMIN), await backend.user(Role.MODERATOR)

    shown = await ban(backend, admin, moderator, "sold approvals")
    with pytest.raises(Banned):
        await backend.read_vault.user(moderator, admin.user_id, ORIGIN)
    lifted = await lift(backend, admin, moderator)
    await backend.read_vault.user(moderator, admin.user_id, ORIGIN)

    assert shown.user.banned
    assert shown.user.ban is not None
    assert (shown.user.ban.reason, shown.user.ban.banned_by) == ("sold approvals", admin.user_id)
    assert (lifted.user.banned, lifted.user.ban) == (False, None)
    assert [(entry.action, entry.refusal, entry.reason) for entry in await backend.audit()] == [
        (AuditAction.USER_BANNED, None, "sold approvals"),
        (AuditAction.USER_READ, "banned", None),
        (AuditAction.BAN_LIFTED, None, None),
    ]


async def test_the_same_ban_again_and_lifting_none_record_nothing(backend: Backend) -> None:
    moderator, user = await backend.user(Role.MODERATOR), await backend.user()
    await ban(backend, moderator, user)
    await ban(backend, moderator, user)
    await lift(backend, moderator, user)
    await lift(backend, moderator, user)

    assert len(await backend.audit()) == 2


async def test_another_reason_replaces_the_ban_and_is_recorded(backend: Backend) -> None:
    moderator, user = await backend.user(Role.MODERATOR), await backend.user()
    await ban(backend, moderator, user, "spam")
    await ban(backend, moderator, user, "threats")

    assert [(entry.before.get("reason"), entry.after["reason"]) for entry in await backend.audit()] == [
        (None, "spam"),
        ("spam", "threats"),
    ]


async def test_a_rate_is_what_the_next_approval_pays(backend: Backend) -> None:
    admin, author = await backend.user(Role.ADMIN), await backend.user()
    post = await backend.post(author)
    action = RewardedAction.POST_APPROVED

    rate = await ChangeRewardRate(backend.transactions)(admin, action, Money(Decimal("2.50")), ORIGIN)
    await ValidatePost(backend.transactions)(admin, post.id, Decision(PostStatus.APPROVED, None, 1), ORIGIN)

    [row] = await backend.read_vault.reward_rates(admin, ORIGIN)
    assert row_as(row, RewardRate) == rate
    assert (await backend.wallet(author)).balance == Money(Decimal("2.50"))
    [changed, _] = await backend.audit()
    assert (changed.action, changed.target_id) == (AuditAction.REWARD_RATE_CHANGED, None)
    assert changed.before == {"action": "post_approved", "amount": "0.00"}
    assert changed.after == {"action": "post_approved", "amount": "2.50"}


async def test_the_same_rate_again_records_nothing(backend: Backend) -> None:
    admin = await backend.user(Role.ADMIN)
    await backend.rate("2.50")

    change = ChangeRewardRate(backend.transactions)
    await change(admin, RewardedAction.POST_APPROVED, Money(Decimal("2.50")), ORIGIN)

    assert await backend.audit() == []


async def test_a_rate_beyond_what_the_wallet_takes_does_not_stop_the_decision(backend: Backend) -> None:
    await backend.rate("5.00")
    author, moderator = await backend.user(balance="99999998.00"), await backend.user(Role.MODERATOR)
    post = await backend.post(author)

    decision = Decision(PostStatus.APPROVED, None, 1)
    approved = await ValidatePost(backend.transactions)(moderator, post.id, decision, ORIGIN)

    [entry] = await backend.audit()
    assert approved.validation_status is PostStatus.APPROVED
    assert (entry.after["amount"], entry.after["shortfall"]) == ("1.9999", "3.0001")


async def test_going_back_to_pending_is_for_admins(backend: Backend) -> None:
    moderator, admin = await backend.user(Role.MODERATOR), await backend.user(Role.ADMIN)
    post = await backend.post(await backend.user(), validation_status=PostStatus.REJECTED)
    decision = Decision(PostStatus.PENDING, None, None)
    validate = ValidatePost(backend.transactions)

    with pytest.raises(Forbidden):
        await validate(moderator, post.id, decision, ORIGIN)
    reopened = await validate(admin, post.id, decision, ORIGIN)

    assert (reopened.validation_status, reopened.validated_by) == (PostStatus.PENDING, None)


async def test_every_refusal_of_staff_is_recorded_with_what_was_asked_for(backend: Backend) -> None:
    moderator, user = await backend.user(Role.MODERATOR), await backend.user()

    for _ in range(12):
        with pytest.raises(Forbidden):
            await change_role(backend, moderator, user, Role.ADMIN)

    recorded = await backend.audit()
    assert len(recorded) == 12
    assert {entry.refusal for entry in recorded} == {"forbidden"}
    assert {(str(entry.before), str(entry.after)) for entry in recorded} == {("{}", "{'role': 'admin'}")}


async def test_ten_refusals_of_a_plain_user_are_recorded_and_no_more(backend: Backend) -> None:
    user, other = await backend.user(), await backend.user()

    for _ in range(12):
        with pytest.raises(Forbidden):
            await backend.read_vault.user(user, other.user_id, ORIGIN)
    with pytest.raises(Forbidden):
        await backend.read_vault.user(other, user.user_id, ORIGIN)

    actors = [entry.actor_id for entry in await backend.audit()]
    assert (actors.count(user.user_id), actors.count(other.user_id)) == (10, 1)


async def test_a_session_that_is_over_is_refused_and_recorded(backend: Backend) -> None:
    admin = await backend.user(Role.ADMIN)
    await backend.has_account_status(admin, AccountStatus.REVOKED)

    with pytest.raises(SessionRevoked):
        await ChangeUser(backend.transactions).role(admin, uuid4(), Role.ADMIN, ORIGIN)

    assert [entry.refusal for entry in await backend.audit()] == ["session_revoked"]


async def test_users_are_found_by_the_beginning_of_a_name_and_wildcards_mean_nothing(
    backend: Backend,
) -> None:
    moderator = await backend.user(Role.MODERATOR)
    amina = await _named(backend, DisplayFields("Amina_k", "Kamau Amina"))
    percent = await _named(backend, DisplayFields("100%", None))

    async def found(query: str) -> list[object]:
        listed = backend.read_vault.users(moderator, UserFilter(query), ORIGIN, PageRequest(10))
        return [shown.user.id for shown in (await listed).items]

    assert await found("AMINA_") == await found("kam") == await found(str(amina.user_id)) == [amina.user_id]
    assert await found("100%") == [percent.user_id]
    assert await found("%") == await found("_") == await found("a%a") == await found("\\") == []


async def _named(backend: Backend, display: DisplayFields) -> Principal:
    session = await backend.newcomer(display)
    await backend.accounts.open(session)
    return session


async def test_pages_of_users_stay_put_while_users_are_added(backend: Backend) -> None:
    moderator = await backend.user(Role.MODERATOR)
    users = [moderator.user_id] + [(await backend.user()).user_id for _ in range(4)]
    read, after = list[object](), None

    while True:
        page = await backend.read_vault.users(moderator, UserFilter(), ORIGIN, PageRequest(2, after))
        read += [shown.user.id for shown in page.items]
        await backend.user()
        after = page.next_after
        if after is None:
            break

    assert read == list(reversed(users))


async def test_admins_see_balances_and_moderators_do_not(backend: Backend) -> None:
    user = await backend.user(balance="5.00")
    for role, seen in ((Role.MODERATOR, False), (Role.ADMIN, True)):
        staff = await backend.user(role)
        shown = await backend.read_vault.user(staff, user.user_id, ORIGIN)
        assert shown.with_balance is seen
        assert shown.user.balance == Money(Decimal("5.00"))
