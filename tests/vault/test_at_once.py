"""What the vault promises when many act at once, on Postgres: locks, not luck."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import asyncpg
import pytest

from application.vault.posts import ValidatePost
from application.vault.users import ChangeUser
from contract.backend import PostgresBackend, postgres_backend
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


@pytest.fixture(params=["database", "clips_database"], ids=["posts", "clips"])
def place(request: pytest.FixtureRequest) -> Database:
    """A database of the test's own, whose posts are in our table or are clips."""
    made: Database = request.getfixturevalue(request.param)
    return made


@pytest.fixture
async def backend(place: Database) -> AsyncIterator[PostgresBackend]:
    """A backend in which nobody may run into a deadlock, though use-cases would try again."""
    await place.be_patient()
    async with postgres_backend(place) as made:
        yield made
    counted = "select deadlocks from pg_stat_database where datname = $1"
    assert (await place.fetch(counted, place.name))[0]["deadlocks"] == 0


@pytest.fixture
async def bystander(place: Database) -> AsyncIterator["Bystander"]:
    holding, watching = [await asyncpg.connect(place.superuser_url) for _ in range(2)]
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
        async with asyncio.timeout(30):
            while await self._watching.fetchval(LOCKED) < number:
                pass


async def decide(backend: PostgresBackend, who: Principal, post: Post, status: PostStatus) -> Post:
    decision = Decision(status, "because", post.version)
    return await ValidatePost(backend.transactions)(who, post.id, decision, ORIGIN)


async def change_role(backend: PostgresBackend, who: Principal, whom: Principal, role: Role) -> object:
    return await ChangeUser(backend.transactions).role(who, whom.user_id, role, ORIGIN)


async def test_twenty_moderators_who_approve_one_post_pay_once_and_record_once(
    backend: PostgresBackend,
) -> None:
    await backend.rate("2.50")
    author = await backend.user()
    moderators = [await backend.user(Role.MODERATOR) for _ in range(20)]
    post = await backend.post(author)

    answers = await asyncio.gather(*(decide(backend, who, post, PostStatus.APPROVED) for who in moderators))

    assert {answer.version for answer in answers} == {2}
    assert len(await backend.ledger(author)) == len(await backend.audit()) == 1
    assert (await backend.wallet(author)).balance == Money(Decimal("2.50"))
    assert Counter(event.name for event in await backend.owed()) == {
        "balance_updated": 1,
        "post_validation_changed": 1,
    }


async def test_of_twenty_moderators_who_disagree_the_first_wins_and_the_others_are_told(
    backend: PostgresBackend,
) -> None:
    author = await backend.user()
    moderators = [await backend.user(Role.MODERATOR) for _ in range(20)]
    post = await backend.post(author)
    wanted = [PostStatus.APPROVED, PostStatus.REJECTED] * 10

    answers = await asyncio.gather(
        *(decide(backend, who, post, status) for who, status in zip(moderators, wanted, strict=True)),
        return_exceptions=True,
    )

    stored = await backend.read_post(post.id)
    assert sum(isinstance(answer, Post) and answer == stored for answer in answers) == 10
    assert sum(isinstance(answer, VersionMismatch) for answer in answers) == 10
    assert len(await backend.audit()) == 1


async def test_an_author_who_swaps_the_content_is_caught_by_the_version(
    backend: PostgresBackend, bystander: Bystander
) -> None:
    author, moderator = await backend.user(), await backend.user(Role.MODERATOR)
    post = await backend.post(author)
    await bystander.hold("update private.posts set body = 'something else' where id = $1", post.id)

    approval = asyncio.create_task(decide(backend, moderator, post, PostStatus.APPROVED))
    await bystander.sees_waiting(1)
    await bystander.let_go()

    with pytest.raises(VersionMismatch):
        await approval


async def test_a_demotion_waits_for_what_the_moderator_is_deciding(
    backend: PostgresBackend, bystander: Bystander
) -> None:
    admin, moderator = await backend.user(Role.ADMIN), await backend.user(Role.MODERATOR)
    post, next_post = await backend.post(await backend.user()), await backend.post(await backend.user())
    await bystander.hold("select private.lock_post($1)", post.id)

    decision = asyncio.create_task(decide(backend, moderator, post, PostStatus.APPROVED))
    await bystander.sees_waiting(1)
    demotion = asyncio.create_task(change_role(backend, admin, moderator, Role.USER))
    await bystander.sees_waiting(2)
    late = asyncio.create_task(decide(backend, moderator, next_post, PostStatus.APPROVED))
    await bystander.sees_waiting(3)
    await bystander.let_go()

    assert (await decision).validation_status is PostStatus.APPROVED
    await demotion
    with pytest.raises(Forbidden):
        await late
    assert [(entry.action, entry.refusal) for entry in await backend.audit()] == [
        (AuditAction.POST_VALIDATION_CHANGED, None),
        (AuditAction.ROLE_CHANGED, None),
        (AuditAction.POST_VALIDATION_CHANGED, "forbidden"),
    ]


async def test_one_moderators_decisions_do_not_wait_for_each_other(
    backend: PostgresBackend, bystander: Bystander
) -> None:
    moderator = await backend.user(Role.MODERATOR)
    post, next_post = await backend.post(await backend.user()), await backend.post(await backend.user())
    await bystander.hold("select private.lock_post($1)", post.id)

    held = asyncio.create_task(decide(backend, moderator, post, PostStatus.APPROVED))
    await bystander.sees_waiting(1)
    async with asyncio.timeout(20):  # one that waits for the lock does so for thirty
        assert (await decide(backend, moderator, next_post, PostStatus.APPROVED)).version == 2
    assert not held.done()
    await bystander.let_go()
    assert (await held).version == 2


@pytest.mark.parametrize(
    "change",
    [
        "update public.profiles set role = 'user' where id::uuid = $1",
        "delete from public.profiles where id::uuid = $1",
    ],
    ids=["demoted", "deleted"],
)
async def test_whoever_takes_a_role_away_waits_for_what_its_holder_is_deciding(
    backend: PostgresBackend, bystander: Bystander, place: Database, change: str
) -> None:
    moderator, post = await backend.user(Role.MODERATOR), await backend.post(await backend.user())
    await bystander.hold("select private.lock_post($1)", post.id)

    decision = asyncio.create_task(decide(backend, moderator, post, PostStatus.APPROVED))
    await bystander.sees_waiting(1)
    taken = asyncio.create_task(place.fetch(change, moderator.user_id))
    await bystander.sees_waiting(2)
    assert not taken.done()
    await bystander.let_go()

    assert (await decision).validation_status is PostStatus.APPROVED
    await taken


async def test_a_change_of_thousands_of_users_roles_takes_no_lock_for_each(
    backend: PostgresBackend, place: Database
) -> None:
    """There is room for some six thousand in the whole server."""
    for _ in range(3):
        await backend.user()
    connection = await asyncpg.connect(place.superuser_url)
    try:
        async with connection.transaction():
            changed = await connection.execute("update public.profiles set role = 'moderator'")
            locks = await connection.fetchval(
                "select count(*) from pg_locks where pid = pg_backend_pid() and locktype = 'advisory'"
            )
    finally:
        await connection.close()
    assert (changed, locks) == ("UPDATE 3", 0)


@pytest.mark.parametrize("others", [0, 1])
async def test_of_two_admins_who_demote_each_other_one_succeeds(
    backend: PostgresBackend, others: int
) -> None:
    one, other = await backend.user(Role.ADMIN), await backend.user(Role.ADMIN)
    for _ in range(others):
        await backend.user(Role.ADMIN)

    for _ in range(5):
        outcomes = await asyncio.gather(
            change_role(backend, one, other, Role.USER),
            change_role(backend, other, one, Role.USER),
            return_exceptions=True,
        )

        assert sum(isinstance(outcome, Forbidden) for outcome in outcomes) == 1
        roles = [await backend.role(one), await backend.role(other)]
        assert sorted(roles) == [Role.ADMIN, Role.USER]
        winner, loser = (one, other) if roles[0] is Role.ADMIN else (other, one)
        await change_role(backend, winner, loser, Role.ADMIN)


async def test_of_two_admins_who_ban_and_demote_each_other_one_can_still_act(
    backend: PostgresBackend,
) -> None:
    one, other = await backend.user(Role.ADMIN), await backend.user(Role.ADMIN)

    outcomes = await asyncio.gather(
        ChangeUser(backend.transactions).ban(one, other.user_id, "coup", ORIGIN),
        change_role(backend, other, one, Role.USER),
        return_exceptions=True,
    )

    assert sum(isinstance(outcome, Forbidden) for outcome in outcomes) == 1


async def test_many_changes_of_rights_and_decisions_at_once_end_without_a_deadlock(
    backend: PostgresBackend,
) -> None:
    staff = [await backend.user(Role.ADMIN) for _ in range(3)]
    posts = [await backend.post(await backend.user()) for _ in range(4)]

    outcomes = await asyncio.gather(
        *(change_role(backend, one, other, Role.MODERATOR) for one in staff for other in staff),
        *(
            ChangeUser(backend.transactions).ban(one, other.user_id, "x", ORIGIN)
            for one in staff
            for other in staff
        ),
        *(decide(backend, one, post, PostStatus.REJECTED) for one in staff for post in posts),
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
        if await backend.role(person) is Role.ADMIN and not await backend.banned(person)
    ]
    assert active


async def test_refusals_at_once_are_counted_one_by_one(backend: PostgresBackend) -> None:
    user = await backend.user()

    outcomes = await asyncio.gather(
        *(backend.read_vault.user(user, user.user_id, ORIGIN) for _ in range(30)),
        return_exceptions=True,
    )

    assert all(isinstance(outcome, Forbidden) for outcome in outcomes)
    assert len(await backend.audit()) == 10


async def test_a_ban_waits_for_what_the_moderator_is_deciding(
    backend: PostgresBackend, bystander: Bystander
) -> None:
    admin, moderator = await backend.user(Role.ADMIN), await backend.user(Role.MODERATOR)
    post = await backend.post(await backend.user())
    await bystander.hold("select from public.profiles where id::uuid = $1 for update", moderator.user_id)

    ban = asyncio.create_task(ChangeUser(backend.transactions).ban(admin, moderator.user_id, "spam", ORIGIN))
    await bystander.sees_waiting(1)
    late = asyncio.create_task(decide(backend, moderator, post, PostStatus.REJECTED))
    await bystander.sees_waiting(2)
    await bystander.let_go()

    await ban
    with pytest.raises(Banned):
        await late
    assert (await backend.read_post(post.id)).validation_status is PostStatus.PENDING
