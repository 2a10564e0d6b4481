"""What the vault promises when many act at once, on Postgres: locks, not luck."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from application.vault.posts import ValidateCommand, ValidatePost
from application.vault.users import ChangeUser
from contract.world import PostgresWorld, postgres_world
from domain.audit import AuditAction, RequestInfo
from domain.errors import Banned, DomainError, Forbidden, VersionMismatch
from domain.identity import Principal, Role
from domain.money import Money
from domain.posts import Decision, Post, PostStatus
from support.database import Database

pytestmark = pytest.mark.anyio

ORIGIN = RequestInfo("request", "192.0.2.1")
LOCKED = """
select count(*) from pg_stat_activity
where datname = current_database() and wait_event_type = 'Lock' and cardinality(pg_blocking_pids(pid)) > 0
"""


@pytest.fixture
async def world(database: Database) -> AsyncIterator[PostgresWorld]:
    """A world in which nobody may run into a deadlock, though use-cases would try again."""
    async with postgres_world(database) as made:
        yield made
    counted = "select deadlocks from pg_stat_database where datname = $1"
    assert (await database.fetch(counted, database.name))[0]["deadlocks"] == 0


@pytest.fixture
async def bystander(database: Database) -> AsyncIterator["Bystander"]:
    holding, watching = [await asyncpg.connect(database.superuser_url) for _ in range(2)]
    try:
        yield Bystander(holding, watching)
    finally:
        await holding.close()
        await watching.close()


class Bystander:
    """Somebody who holds rows, and sees who waits for them."""

    def __init__(self, holding: Any, watching: Any) -> None:
        self._holding = holding
        self._watching = watching

    async def hold(self, sql: str, *arguments: object) -> None:
        """Begin a transaction that locks, or changes, a row."""
        await self._holding.execute("begin")
        await self._holding.execute(sql, *arguments)

    async def let_go(self) -> None:
        """Commit it."""
        await self._holding.execute("commit")

    async def sees_waiting(self, number: int) -> None:
        """Return once *number* statements wait for a lock; each look is a round trip, so nothing sleeps."""
        async with asyncio.timeout(5):
            while await self._watching.fetchval(LOCKED) < number:
                pass


async def decide(world: PostgresWorld, who: Principal, post: Post, status: PostStatus) -> Post:
    command = ValidateCommand(post.id, Decision(status, "because", post.version))
    return await ValidatePost(world.transactions)(who, command, ORIGIN)


async def change_role(world: PostgresWorld, who: Principal, whom: Principal, role: Role) -> object:
    return await ChangeUser(world.transactions).role(who, whom.user_id, role, ORIGIN)


async def test_twenty_moderators_who_approve_one_post_pay_once_and_record_once(world: PostgresWorld) -> None:
    await world.rate("2.50")
    author = await world.user()
    moderators = [await world.user(Role.MODERATOR) for _ in range(20)]
    post = await world.post(author)

    answers = await asyncio.gather(*(decide(world, who, post, PostStatus.APPROVED) for who in moderators))

    assert {answer.version for answer in answers} == {2}
    assert len(await world.ledger(author)) == len(await world.audit()) == 1
    assert (await world.wallet(author)).balance == Money(Decimal("2.50"))
    assert Counter(event.name for event in await world.owed()) == {
        "balance_updated": 1,
        "post_validation_changed": 1,
    }


async def test_of_twenty_moderators_who_disagree_the_first_wins_and_the_others_are_told(
    world: PostgresWorld,
) -> None:
    author = await world.user()
    moderators = [await world.user(Role.MODERATOR) for _ in range(20)]
    post = await world.post(author)
    wanted = [PostStatus.APPROVED, PostStatus.REJECTED] * 10

    answers = await asyncio.gather(
        *(decide(world, who, post, status) for who, status in zip(moderators, wanted, strict=True)),
        return_exceptions=True,
    )

    stored = await world.read_post(post.id)
    assert sum(isinstance(answer, Post) and answer == stored for answer in answers) == 10
    assert sum(isinstance(answer, VersionMismatch) for answer in answers) == 10
    assert len(await world.audit()) == 1


async def test_an_author_who_swaps_the_content_is_caught_by_the_version(
    world: PostgresWorld, bystander: Bystander
) -> None:
    author, moderator = await world.user(), await world.user(Role.MODERATOR)
    post = await world.post(author)
    await bystander.hold("update public.posts set body = 'something else' where id = $1", post.id)

    approval = asyncio.create_task(decide(world, moderator, post, PostStatus.APPROVED))
    await bystander.sees_waiting(1)
    await bystander.let_go()

    with pytest.raises(VersionMismatch):
        await approval


async def test_a_demotion_waits_for_what_the_moderator_is_deciding(
    world: PostgresWorld, bystander: Bystander
) -> None:
    admin, moderator = await world.user(Role.ADMIN), await world.user(Role.MODERATOR)
    post, next_post = await world.post(await world.user()), await world.post(await world.user())
    await bystander.hold("select from public.posts where id = $1 for update", post.id)

    decision = asyncio.create_task(decide(world, moderator, post, PostStatus.APPROVED))
    await bystander.sees_waiting(1)
    demotion = asyncio.create_task(change_role(world, admin, moderator, Role.USER))
    await bystander.sees_waiting(2)
    late = asyncio.create_task(decide(world, moderator, next_post, PostStatus.APPROVED))
    await bystander.sees_waiting(3)
    await bystander.let_go()

    assert (await decision).status is PostStatus.APPROVED
    await demotion
    with pytest.raises(Forbidden):
        await late
    assert [(entry.action, entry.refusal) for entry in await world.audit()] == [
        (AuditAction.POST_VALIDATION_CHANGED, None),
        (AuditAction.ROLE_CHANGED, None),
        (AuditAction.POST_VALIDATION_CHANGED, "forbidden"),
    ]


@pytest.mark.parametrize("others", [0, 1])
async def test_of_two_admins_who_demote_each_other_one_succeeds(world: PostgresWorld, others: int) -> None:
    one, other = await world.user(Role.ADMIN), await world.user(Role.ADMIN)
    for _ in range(others):
        await world.user(Role.ADMIN)

    for _ in range(5):
        outcomes = await asyncio.gather(
            change_role(world, one, other, Role.USER),
            change_role(world, other, one, Role.USER),
            return_exceptions=True,
        )

        assert sum(isinstance(outcome, Forbidden) for outcome in outcomes) == 1
        roles = [await world.role(one), await world.role(other)]
        assert sorted(roles) == [Role.ADMIN, Role.USER]
        winner, loser = (one, other) if roles[0] is Role.ADMIN else (other, one)
        await change_role(world, winner, loser, Role.ADMIN)


async def test_of_two_admins_who_ban_and_demote_each_other_one_can_still_act(world: PostgresWorld) -> None:
    one, other = await world.user(Role.ADMIN), await world.user(Role.ADMIN)

    outcomes = await asyncio.gather(
        ChangeUser(world.transactions).ban(one, other.user_id, "coup", ORIGIN),
        change_role(world, other, one, Role.USER),
        return_exceptions=True,
    )

    assert sum(isinstance(outcome, Forbidden) for outcome in outcomes) == 1


async def test_many_changes_of_rights_and_decisions_at_once_end_without_a_deadlock(
    world: PostgresWorld,
) -> None:
    staff = [await world.user(Role.ADMIN) for _ in range(3)]
    posts = [await world.post(await world.user()) for _ in range(4)]

    outcomes = await asyncio.gather(
        *(change_role(world, one, other, Role.MODERATOR) for one in staff for other in staff),
        *(
            ChangeUser(world.transactions).ban(one, other.user_id, "x", ORIGIN)
            for one in staff
            for other in staff
        ),
        *(decide(world, one, post, PostStatus.REJECTED) for one in staff for post in posts),
        return_exceptions=True,
    )

    assert all(not isinstance(outcome, Exception) or isinstance(outcome, DomainError) for outcome in outcomes)
    assert {outcome.code for outcome in outcomes if isinstance(outcome, DomainError)} <= {
        "forbidden",
        "banned",
        "last_admin",
    }
    active = [
        person
        for person in staff
        if await world.role(person) is Role.ADMIN and not await world.banned(person)
    ]
    assert active


async def test_refusals_at_once_are_counted_one_by_one(world: PostgresWorld) -> None:
    user = await world.user()

    outcomes = await asyncio.gather(
        *(world.read_vault.user(user, user.user_id, ORIGIN) for _ in range(30)),
        return_exceptions=True,
    )

    assert all(isinstance(outcome, Forbidden) for outcome in outcomes)
    assert len(await world.audit()) == 10


async def test_a_ban_waits_for_what_the_moderator_is_deciding(
    world: PostgresWorld, bystander: Bystander
) -> None:
    admin, moderator = await world.user(Role.ADMIN), await world.user(Role.MODERATOR)
    post = await world.post(await world.user())
    await bystander.hold("select from public.profiles where id = $1 for update", moderator.user_id)

    ban = asyncio.create_task(ChangeUser(world.transactions).ban(admin, moderator.user_id, "spam", ORIGIN))
    await bystander.sees_waiting(1)
    late = asyncio.create_task(decide(world, moderator, post, PostStatus.REJECTED))
    await bystander.sees_waiting(2)
    await bystander.let_go()

    await ban
    with pytest.raises(Banned):
        await late
    assert (await world.read_post(post.id)).status is PostStatus.PENDING
