"""Closed to clients, open to the app: directly, and through whatever the app adds later."""

import asyncpg
import pytest

from database.arena import Arena, arena
from database.attacks import (
    ALLOWED,
    ALLOWED_TO_APP,
    READS,
    REALTIME_WRITES,
    WRITES,
    WRITES_THROUGH_APP,
    Case,
)
from support.database import Database

pytestmark = pytest.mark.anyio

REFUSED = (asyncpg.InsufficientPrivilegeError, asyncpg.InvalidTextRepresentationError)


def cases(*listed: Case) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", listed, ids=lambda case: case.name)


def tables(*listed: tuple[Case, int]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("case", "rows"), listed, ids=[case.name for case, _ in listed])


async def assert_nothing_comes_of(case: Case, database: Database, sql: str | None = None) -> None:
    async with arena(database) as made:
        before = await made.state()
        try:
            await made.run(case, sql)
        except REFUSED:
            pass
        assert await made.state() == before


async def assert_refused(case: Case, database: Database, sql: str) -> None:
    async with arena(database) as made:
        before = await made.state()
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await made.run(case, sql)
        assert await made.state() == before


async def affected(made: Arena, case: Case) -> int:
    return await made.run(case, keep=False)


@cases(*WRITES, *REALTIME_WRITES)
async def test_a_client_can_not(case: Case, place: Database) -> None:
    await assert_nothing_comes_of(case, place)


@cases(*READS)
async def test_a_client_sees_nothing_when_it_tries_to(case: Case, place: Database) -> None:
    async with arena(place) as made:
        try:
            seen = await made.run(case)
        except REFUSED:
            seen = 0
        assert seen == 0


@pytest.mark.parametrize("function", ["app_do", "app_forge", "app_replicate"])
@cases(*WRITES)
async def test_a_definer_function_of_the_app_can_not_for_a_client(
    case: Case, function: str, opened: Database
) -> None:
    await assert_refused(case, opened, f"select public.{function}($attack${case.sql}$attack$)")


@cases(*WRITES_THROUGH_APP)
async def test_what_the_app_added_can_not_for_a_client(case: Case, opened: Database) -> None:
    await assert_refused(case, opened, case.sql)


@tables(*ALLOWED)
async def test_a_client_can(case: Case, rows: int, place: Database) -> None:
    async with arena(place) as made:
        assert await affected(made, case) == rows


@tables(*ALLOWED_TO_APP)
async def test_a_client_can_use_what_the_app_added(case: Case, rows: int, opened: Database) -> None:
    async with arena(opened) as made:
        assert await affected(made, case) == rows
