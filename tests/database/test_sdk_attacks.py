"""The same attacks through the real clients and ``/rest/v1``, as an app's user would send them."""

import pytest

from database.arena import SdkArena
from database.attacks import (
    ME,
    MY_PENDING,
    READS,
    REALTIME_WRITES,
    THEIR_PENDING,
    WRITES,
    WRITES_THROUGH_APP,
    Case,
)
from database.sdk_attacks import SPOKEN, UNSPEAKABLE, delete, of, post, read, update
from support.sdk import Steps

pytestmark = pytest.mark.anyio

WRITTEN = [case for case in (*WRITES, *REALTIME_WRITES) if case.name in SPOKEN]
NEW_POST = "20000000-0000-4000-8000-000000000001"


def cases(*listed: Case) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", listed, ids=lambda case: case.name)


def test_every_attack_is_spoken() -> None:
    everything = {case.name for case in (*WRITES, *REALTIME_WRITES, *READS, *WRITES_THROUGH_APP)}
    unspoken = {name for name in everything if name.startswith(UNSPEAKABLE)}
    assert everything - unspoken == set(SPOKEN)


async def assert_nothing_comes_of(case: Case, steps: Steps, place: SdkArena) -> None:
    before = await place.arena.state()
    outcome = await place.run(case, steps)
    assert outcome.rows == 0
    assert await place.arena.state() == before


@cases(*WRITTEN)
async def test_a_client_can_not(case: Case, peopled_sdk: SdkArena) -> None:
    await assert_nothing_comes_of(case, SPOKEN[case.name], peopled_sdk)


@cases(*WRITTEN, *WRITES_THROUGH_APP)
async def test_a_client_can_not_after_the_app_opened_what_it_can(case: Case, opened_sdk: SdkArena) -> None:
    await assert_nothing_comes_of(case, SPOKEN[case.name], opened_sdk)


@cases(*READS)
async def test_a_client_sees_nothing_when_it_tries_to(case: Case, peopled_sdk: SdkArena) -> None:
    assert (await peopled_sdk.run(case, SPOKEN[case.name])).rows == 0


@cases(*READS)
async def test_a_client_sees_nothing_after_the_app_opened_what_it_can(
    case: Case, opened_sdk: SdkArena
) -> None:
    assert (await opened_sdk.run(case, SPOKEN[case.name])).rows == 0


@pytest.mark.parametrize("opened_sdk", ["supabase-js"], indirect=True)
@cases(*WRITES)
async def test_a_definer_function_that_lies_about_its_caller_can_not_for_a_client(
    case: Case, opened_sdk: SdkArena
) -> None:
    before = await opened_sdk.arena.state()
    outcome = await opened_sdk.run(case, [["rpc", "app_forge", {"statement": case.sql}]])
    assert outcome.code == "42501"
    assert await opened_sdk.arena.state() == before


async def test_a_client_can_post_edit_and_delete_what_is_its_own(peopled_sdk: SdkArena) -> None:
    me = Case("post", ME, "")
    before = await peopled_sdk.arena.state()
    posted = await peopled_sdk.run(me, post({"id": NEW_POST, "author_id": ME}))
    edited = await peopled_sdk.run(me, update("posts", {"title": "better"}, of("id", NEW_POST)))
    gone = await peopled_sdk.run(me, delete("posts", of("id", NEW_POST)))
    statuses = [row["validation_status"] for outcome in (posted, edited, gone) for row in outcome.data]
    assert statuses == ["pending"] * 3
    assert edited.data[0]["title"] == "better"
    assert await peopled_sdk.arena.state() == before


@pytest.mark.parametrize(
    ("table", "column", "theirs"),
    [("posts", "id", THEIR_PENDING), ("wallets", "user_id", None), ("wallet_transactions", "user_id", None)],
)
async def test_a_client_reads_its_own(
    table: str, column: str, theirs: str | None, peopled_sdk: SdkArena
) -> None:
    found = await peopled_sdk.run(Case("read", ME, ""), read(table))
    ids = {row[column] for row in found.data}
    assert theirs not in ids
    assert ids & {ME, MY_PENDING}
