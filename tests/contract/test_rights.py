"""What changes of roles, bans and rates promise, on every adapter."""

from decimal import Decimal
from uuid import uuid4

import pytest

from application.vault.posts import ValidateCommand, ValidatePost
from application.vault.reading import UserFilter
from application.vault.rewards import ChangeRewardRate
from application.vault.users import ChangeUser, UserView
from contract.world import World, row_as
from domain.audit import AuditAction, RequestInfo
from domain.errors import Banned, Forbidden, LastAdmin, SessionRevoked, UserNotFound
from domain.identity import AccountStatus, DisplayFields, Principal, Role
from domain.money import Money
from domain.posts import Decision, PostStatus
from domain.rewards import RewardedAction, RewardRate

pytestmark = pytest.mark.anyio

ORIGIN = RequestInfo("request", "192.0.2.1")


async def change_role(world: World, admin: Principal, target: Principal, role: Role) -> UserView:
    return await ChangeUser(world.transactions).role(admin, target.user_id, role, ORIGIN)


async def ban(world: World, staff: Principal, target: Principal, reason: str = "spam") -> UserView:
    return await ChangeUser(world.transactions).ban(staff, target.user_id, reason, ORIGIN)


async def lift(world: World, staff: Principal, target: Principal) -> UserView:
    return await ChangeUser(world.transactions).lift_ban(staff, target.user_id, ORIGIN)


async def test_a_role_is_changed_and_recorded_with_before_and_after(world: World) -> None:
    admin, user = await world.user(Role.ADMIN), await world.user()

    shown = await change_role(world, admin, user, Role.MODERATOR)

    [entry] = await world.audit()
    assert shown.user.role is await world.role(user) is Role.MODERATOR
    assert (entry.action, entry.refusal) == (AuditAction.ROLE_CHANGED, None)
    assert (entry.actor_id, entry.session_id) == (admin.user_id, admin.session_id)
    assert (entry.target_id, entry.before, entry.after) == (
        user.user_id,
        {"role": "user"},
        {"role": "moderator"},
    )
    assert (entry.request, entry.operator) == (ORIGIN, None)


async def test_a_role_that_is_there_already_is_not_recorded(world: World) -> None:
    admin, user = await world.user(Role.ADMIN), await world.user()

    await change_role(world, admin, user, Role.USER)

    assert await world.audit() == []


async def test_a_new_role_counts_from_the_next_request_on(world: World) -> None:
    admin, former = await world.user(Role.ADMIN), await world.user(Role.MODERATOR)
    post = await world.post(await world.user())
    await change_role(world, admin, former, Role.USER)

    command = ValidateCommand(post.id, Decision(PostStatus.REJECTED, None, None))
    with pytest.raises(Forbidden):
        await ValidatePost(world.transactions)(former, command, ORIGIN)


async def test_the_only_admin_keeps_the_role_and_is_told_why(world: World) -> None:
    admin = await world.user(Role.ADMIN)
    banned, deleted = await world.user(Role.ADMIN), await world.user(Role.ADMIN)
    await world.has_account_status(banned, AccountStatus.BANNED)
    await world.has_account_status(deleted, AccountStatus.DELETED)

    with pytest.raises(LastAdmin):
        await change_role(world, admin, admin, Role.USER)

    assert await world.role(admin) is Role.ADMIN


async def test_nobody_changes_their_own_role(world: World) -> None:
    admin, _ = await world.user(Role.ADMIN), await world.user(Role.ADMIN)

    with pytest.raises(Forbidden) as refused:
        await change_role(world, admin, admin, Role.USER)

    assert refused.value.code == "forbidden"


async def test_an_unknown_or_deleted_target_is_not_found(world: World) -> None:
    admin, deleted = await world.user(Role.ADMIN), await world.user()
    await world.has_account_status(deleted, AccountStatus.DELETED)

    for target in (deleted, Principal(uuid4(), uuid4())):
        with pytest.raises(UserNotFound):
            await change_role(world, admin, target, Role.MODERATOR)
        with pytest.raises(UserNotFound):
            await ban(world, admin, target)
        with pytest.raises(UserNotFound):
            await world.read_vault.user(admin, target.user_id, ORIGIN)


async def test_a_ban_is_recorded_counts_at_once_and_can_be_lifted(world: World) -> None:
    admin, moderator = await world.user(Role.ADMIN), await world.user(Role.MODERATOR)

    shown = await ban(world, admin, moderator, "sold approvals")
    with pytest.raises(Banned):
        await world.read_vault.user(moderator, admin.user_id, ORIGIN)
    lifted = await lift(world, admin, moderator)
    await world.read_vault.user(moderator, admin.user_id, ORIGIN)

    assert shown.user.banned
    assert shown.user.ban is not None
    assert (shown.user.ban.reason, shown.user.ban.banned_by) == ("sold approvals", admin.user_id)
    assert (lifted.user.banned, lifted.user.ban) == (False, None)
    assert [(entry.action, entry.refusal, entry.reason) for entry in await world.audit()] == [
        (AuditAction.USER_BANNED, None, "sold approvals"),
        (AuditAction.USER_READ, "banned", None),
        (AuditAction.BAN_LIFTED, None, None),
    ]


async def test_the_same_ban_again_and_lifting_none_record_nothing(world: World) -> None:
    moderator, user = await world.user(Role.MODERATOR), await world.user()
    await ban(world, moderator, user)
    await ban(world, moderator, user)
    await lift(world, moderator, user)
    await lift(world, moderator, user)

    assert len(await world.audit()) == 2


async def test_another_reason_replaces_the_ban_and_is_recorded(world: World) -> None:
    moderator, user = await world.user(Role.MODERATOR), await world.user()
    await ban(world, moderator, user, "spam")
    await ban(world, moderator, user, "threats")

    assert [(entry.before.get("reason"), entry.after["reason"]) for entry in await world.audit()] == [
        (None, "spam"),
        ("spam", "threats"),
    ]


async def test_a_rate_is_what_the_next_approval_pays(world: World) -> None:
    admin, author = await world.user(Role.ADMIN), await world.user()
    post = await world.post(author)
    action = RewardedAction.POST_APPROVED

    rate = await ChangeRewardRate(world.transactions)(admin, action, Money(Decimal("2.50")), ORIGIN)
    await ValidatePost(world.transactions)(
        admin, ValidateCommand(post.id, Decision(PostStatus.APPROVED, None, 1)), ORIGIN
    )

    [row] = await world.read_vault.reward_rates(admin, ORIGIN)
    assert row_as(row, RewardRate) == rate
    assert (await world.wallet(author)).balance == Money(Decimal("2.50"))
    [changed, _] = await world.audit()
    assert (changed.action, changed.target_id) == (AuditAction.REWARD_RATE_CHANGED, None)
    assert changed.before == {"action": "post_approved", "amount": "0.00"}
    assert changed.after == {"action": "post_approved", "amount": "2.50"}


async def test_the_same_rate_again_records_nothing(world: World) -> None:
    admin = await world.user(Role.ADMIN)
    await world.rate("2.50")

    change = ChangeRewardRate(world.transactions)
    await change(admin, RewardedAction.POST_APPROVED, Money(Decimal("2.50")), ORIGIN)

    assert await world.audit() == []


async def test_a_rate_beyond_what_the_wallet_takes_does_not_stop_the_decision(world: World) -> None:
    await world.rate("5.00")
    author, moderator = await world.user(balance="99999998.00"), await world.user(Role.MODERATOR)
    post = await world.post(author)

    command = ValidateCommand(post.id, Decision(PostStatus.APPROVED, None, 1))
    approved = await ValidatePost(world.transactions)(moderator, command, ORIGIN)

    [entry] = await world.audit()
    assert approved.status is PostStatus.APPROVED
    assert (entry.after["amount"], entry.after["shortfall"]) == ("1.9999", "3.0001")


async def test_going_back_to_pending_is_for_admins(world: World) -> None:
    moderator, admin = await world.user(Role.MODERATOR), await world.user(Role.ADMIN)
    post = await world.post(await world.user(), status=PostStatus.REJECTED)
    command = ValidateCommand(post.id, Decision(PostStatus.PENDING, None, None))
    validate = ValidatePost(world.transactions)

    with pytest.raises(Forbidden):
        await validate(moderator, command, ORIGIN)
    reopened = await validate(admin, command, ORIGIN)

    assert (reopened.status, reopened.validated_by) == (PostStatus.PENDING, None)


async def test_every_refusal_of_staff_is_recorded_with_what_was_asked_for(world: World) -> None:
    moderator, user = await world.user(Role.MODERATOR), await world.user()

    for _ in range(12):
        with pytest.raises(Forbidden):
            await change_role(world, moderator, user, Role.ADMIN)

    recorded = await world.audit()
    assert len(recorded) == 12
    assert {entry.refusal for entry in recorded} == {"forbidden"}
    assert {(str(entry.before), str(entry.after)) for entry in recorded} == {("{}", "{'role': 'admin'}")}


async def test_ten_refusals_of_a_plain_user_are_recorded_and_no_more(world: World) -> None:
    user, other = await world.user(), await world.user()

    for _ in range(12):
        with pytest.raises(Forbidden):
            await world.read_vault.user(user, other.user_id, ORIGIN)
    with pytest.raises(Forbidden):
        await world.read_vault.user(other, user.user_id, ORIGIN)

    actors = [entry.actor_id for entry in await world.audit()]
    assert (actors.count(user.user_id), actors.count(other.user_id)) == (10, 1)


async def test_a_session_that_is_over_is_refused_and_recorded(world: World) -> None:
    admin = await world.user(Role.ADMIN)
    await world.has_account_status(admin, AccountStatus.REVOKED)

    with pytest.raises(SessionRevoked):
        await ChangeUser(world.transactions).role(admin, uuid4(), Role.ADMIN, ORIGIN)

    assert [entry.refusal for entry in await world.audit()] == ["session_revoked"]


async def test_users_are_found_by_the_beginning_of_a_name_and_wildcards_mean_nothing(world: World) -> None:
    moderator = await world.user(Role.MODERATOR)
    amina = await _named(world, DisplayFields("Amina_k", "Kamau Amina"))
    percent = await _named(world, DisplayFields("100%", None))

    async def found(query: str) -> list[object]:
        listed = world.read_vault.users(moderator, UserFilter(query), ORIGIN, after=None, limit=10)
        return [shown.user.id for shown in (await listed).items]

    assert await found("AMINA_") == await found("kam") == await found(str(amina.user_id)) == [amina.user_id]
    assert await found("100%") == [percent.user_id]
    assert await found("%") == await found("_") == await found("a%a") == await found("\\") == []


async def _named(world: World, display: DisplayFields) -> Principal:
    session = await world.newcomer(display)
    await world.accounts.open(session)
    return session


async def test_pages_of_users_stay_put_while_users_are_added(world: World) -> None:
    moderator = await world.user(Role.MODERATOR)
    users = [moderator.user_id] + [(await world.user()).user_id for _ in range(4)]
    read, after = list[object](), None

    while True:
        page = await world.read_vault.users(moderator, UserFilter(), ORIGIN, after=after, limit=2)
        read += [shown.user.id for shown in page.items]
        await world.user()
        after = page.next_after
        if after is None:
            break

    assert read == list(reversed(users))


async def test_admins_see_balances_and_moderators_do_not(world: World) -> None:
    user = await world.user(balance="5.00")
    for role, seen in ((Role.MODERATOR, False), (Role.ADMIN, True)):
        staff = await world.user(role)
        shown = await world.read_vault.user(staff, user.user_id, ORIGIN)
        assert shown.with_balance is seen
        assert shown.user.balance == Money(Decimal("5.00"))
