"""Closed to clients, open to the app: directly, and through whatever the app adds later."""

from contextlib import suppress

import asyncpg
import pytest

from database.arena import Arena
from database.attacks import (
    ALLOWED,
    ALLOWED_TO_APP,
    READS,
    REALTIME_WRITES,
    WRITES,
    WRITES_THROUGH_APP,
    Case,
)

pytestmark = pytest.mark.anyio

# The last one: a table of the app's refers to the one that is to be emptied.
REFUSED = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InvalidTextRepresentationError,
    asyncpg.FeatureNotSupportedError,
)


def cases(*listed: Case) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", listed, ids=lambda case: case.name)


def tables(*listed: tuple[Case, int]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("case", "rows"), listed, ids=[case.name for case, _ in listed])


async def assert_nothing_comes_of(case: Case, place: Arena) -> None:
    before = await place.state()
    with suppress(*REFUSED):
        await place.run(case)
    assert await place.state() == before


async def assert_refused(case: Case, place: Arena, sql: str) -> None:
    before = await place.state()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await place.run(case, sql)
    assert await place.state() == before


@cases(*WRITES, *REALTIME_WRITES)
async def test_a_client_can_not(case: Case, place: Arena) -> None:
    await assert_nothing_comes_of(case, place)


@cases(*READS)
async def test_a_client_sees_nothing_when_it_tries_to(case: Case, place: Arena) -> None:
    try:
        seen = await place.run(case)
    except REFUSED:
        seen = 0
    assert seen == 0


@pytest.mark.parametrize("function", ["app_do", "app_forge", "app_replicate"])
@cases(*WRITES)
async def test_a_definer_function_of_the_app_can_not_for_a_client(
    case: Case, function: str, opened_arena: Arena
) -> None:
    await assert_refused(case, opened_arena, f"select public.{function}($attack${case.sql}$attack$)")


@cases(*WRITES_THROUGH_APP)
async def test_what_the_app_added_can_not_for_a_client(case: Case, opened_arena: Arena) -> None:
    await assert_refused(case, opened_arena, case.sql)


@tables(*ALLOWED)
async def test_a_client_can(case: Case, rows: int, place: Arena) -> None:
    assert await place.run(case, keep=False) == rows


@tables(*ALLOWED_TO_APP)
async def test_a_client_can_use_what_the_app_added(case: Case, rows: int, opened_arena: Arena) -> None:
    assert await opened_arena.run(case, keep=False) == rows
