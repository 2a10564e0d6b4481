"""The record can't be bent: not by the service's own role, and not by leaving it out."""

from collections.abc import AsyncIterator
from decimal import Decimal
from uuid import uuid4

import asyncpg
import pytest

from application.vault.posts import ValidatePost
from application.vault.rewards import ChangeRewardRate
from application.vault.users import ChangeUser
from contract.backend import PostgresBackend, postgres_backend
from domain.audit import RequestInfo
from domain.identity import Role
from domain.money import Money
from domain.posts import Decision, PostStatus
from domain.rewards import RewardedAction
from support.database import Database

pytestmark = pytest.mark.anyio

ORIGIN = RequestInfo("request", "192.0.2.1")
ROW = """
insert into private.audit_log
  (id, actor_id, session_id, operator, action, before, after, request_id, occurred_at)
values (gen_random_uuid(), $1, $2, $3, 'role.changed', '{}', '{}', 'r', now())
"""


@pytest.fixture
async def backend(database: Database) -> AsyncIterator[PostgresBackend]:
    async with postgres_backend(database) as made:
        yield made


@pytest.fixture
async def service(database: Database) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A connection as the service's own role."""
    connection = await asyncpg.connect(database.service_url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "sql",
    [
        "update private.audit_log set reason = 'none'",
        "delete from private.audit_log",
        "truncate private.audit_log",
        "alter table private.audit_log disable trigger all",
        "drop table private.audit_log",
    ],
)
async def test_the_services_role_can_not_touch_what_was_recorded(
    service: "asyncpg.Connection[asyncpg.Record]", sql: str
) -> None:
    await service.execute(ROW, uuid4(), uuid4(), None)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute(sql)


async def test_the_services_role_can_not_write_as_an_operator(
    service: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute(ROW, None, None, "postgres")


@pytest.mark.parametrize(
    ("actor", "session", "operator"),
    [(False, False, None), (True, False, None), (False, True, None), (True, True, "postgres")],
)
async def test_a_row_has_a_user_with_a_session_or_an_operator(
    database: Database, actor: bool, session: bool, operator: str | None
) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await database.fetch(ROW, uuid4() if actor else None, uuid4() if session else None, operator)


async def test_where_nothing_can_be_recorded_nothing_happens(
    backend: PostgresBackend, database: Database
) -> None:
    await backend.rate("2.50")
    admin, author = await backend.user(Role.ADMIN), await backend.user()
    post = await backend.post(author)
    await database.fetch("revoke insert on private.audit_log from lingualink_api")
    approve = Decision(PostStatus.APPROVED, None, 1)

    for act in (
        ValidatePost(backend.transactions)(admin, post.id, approve, ORIGIN),
        ChangeUser(backend.transactions).role(admin, author.user_id, Role.ADMIN, ORIGIN),
        ChangeUser(backend.transactions).ban(admin, author.user_id, "spam", ORIGIN),
        ChangeRewardRate(backend.transactions)(
            admin, RewardedAction.POST_APPROVED, Money(Decimal(9)), ORIGIN
        ),
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await act

    assert await backend.read_post(post.id) == post
    assert (await backend.ledger(author), await backend.owed()) == ([], [])
    assert (await backend.role(author), await backend.banned(author)) == (Role.USER, False)
    [rate] = await database.fetch("select amount from private.reward_rates")
    assert rate["amount"] == Decimal("2.50")
