"""LinguaLink's clips as posts: what clients can't do to them, what old builds go on doing, and how they are read."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import asyncpg
import pytest

from database.arena import PEOPLE, Arena, arena
from database.attacks import BANNED, ME, MY_APPROVED, MY_PENDING, NEW, THEIR_PENDING, VICTIM, Case
from devstack.postgres import LocalPostgres
from infrastructure.adoption.posts import POST_STEPS
from infrastructure.postgres.erasure import _STEPS as STEPS
from infrastructure.postgres.migrations import MigrationRefused
from support.clips import add_post, run_steps
from support.database import Database, cloned, execute

pytestmark = pytest.mark.anyio

MINE, MINE_APPROVED, THEIRS, THEIR_VIDEO, FLAGGED, NO_STATUS = [
    f"20000000-0000-4000-8000-00000000000{n}" for n in range(1, 7)
]
CLIPS = f"""
insert into public.voice_clips (id, user_id, phrase, language, status, is_validated) values
  ('{MINE}', '{ME}', 'mine', 'rw', 'pending', false), ('{MINE_APPROVED}', '{ME}', 'mine', 'rw', 'approved', true),
  ('{THEIRS}', '{VICTIM}', 'theirs', 'rw', 'pending', false);
insert into public.video_clips (id, user_id, title, language) values ('{THEIR_VIDEO}', '{VICTIM}', 'theirs', 'rw');
insert into public.validations (voice_clip_id, validator_id, is_approved) values ('{MINE}', '{VICTIM}', true);
delete from private.bans;
insert into public.voice_clips (id, user_id, phrase, language, status) values
  ('{FLAGGED}', '{BANNED}', 'x', 'rw', 'flagged'), ('{NO_STATUS}', '{BANNED}', 'x', 'rw', 'pending');
update public.voice_clips set status = null where id = '{NO_STATUS}';
insert into private.bans (user_id, reason, banned_by) values ('{BANNED}', 'x', '{VICTIM}');
"""


@pytest.fixture(scope="session")
def peopled_clips(projects: LocalPostgres, clips_template: str) -> Iterator[Database]:
    """The people of people.sql, with clips."""
    with cloned(projects, clips_template) as made:
        asyncio.run(execute(made.superuser_url, PEOPLE + CLIPS))
        yield made


@pytest.fixture
async def place(peopled_clips: Database) -> AsyncIterator[Arena]:
    async with arena(peopled_clips) as made:
        yield made


def _voice(values: str) -> str:
    return f"insert into public.voice_clips (id, phrase, language, user_id{values}"


def _post(values: str) -> str:
    return f"insert into public.posts (kind, title, language, author_id, {values}"


REFUSED = (
    Case("approve one's clip", ME, f"update public.voice_clips set status = 'approved' where id = '{MINE}'"),
    Case("validate one's clip", ME, f"update public.voice_clips set is_validated = true where id = '{MINE}'"),
    Case(
        "unlock its earnings",
        ME,
        f"update public.voice_clips set is_monetization_unlocked = true where id = '{MINE}'",
    ),
    Case(
        "sign as its moderator",
        ME,
        f"update public.voice_clips set validated_by = '{VICTIM}' where id = '{MINE}'",
    ),
    Case(
        "jump the queue", ME, f"update public.voice_clips set created_at = '2000-01-01' where id = '{MINE}'"
    ),
    Case("give a clip away", ME, f"update public.voice_clips set user_id = '{VICTIM}' where id = '{MINE}'"),
    Case("take a clip over", ME, f"update public.voice_clips set user_id = '{ME}' where id = '{THEIRS}'"),
    Case(
        "reword an approved clip",
        ME,
        f"update public.voice_clips set phrase = 'x' where id = '{MINE_APPROVED}'",
    ),
    Case(
        "swap its recording",
        ME,
        f"update public.voice_clips set audio_url = 'x' where id = '{MINE_APPROVED}'",
    ),
    Case("reword somebody's clip", ME, f"update public.voice_clips set phrase = 'x' where id = '{THEIRS}'"),
    Case(
        "reword somebody's video", ME, f"update public.video_clips set title = 'x' where id = '{THEIR_VIDEO}'"
    ),
    Case("approve somebody's video", ME, "update public.video_clips set status = 'approved'"),
    Case("delete an approved clip", ME, f"delete from public.voice_clips where id = '{MINE_APPROVED}'"),
    Case("delete somebody's clip", ME, f"delete from public.voice_clips where id = '{THEIRS}'"),
    Case("truncate clips", ME, "truncate public.voice_clips"),
    Case("add an approved clip", ME, _voice(f", status) values ('{NEW}', 't', 'rw', '{ME}', 'approved')")),
    Case("add a validated clip", ME, _voice(f", is_validated) values ('{NEW}', 't', 'rw', '{ME}', true)")),
    Case(
        "add a clip that earns",
        ME,
        _voice(f", is_monetization_unlocked) values ('{NEW}', 't', 'rw', '{ME}', true)"),
    ),
    Case("add a clip as somebody else", ME, _voice(f") values ('{NEW}', 't', 'rw', '{VICTIM}')")),
    Case("add a clip with the anon key", None, _voice(f") values ('{NEW}', 't', 'rw', '{ME}')")),
    Case("add a clip while banned", BANNED, _voice(f") values ('{NEW}', 't', 'rw', '{BANNED}')")),
    *(
        Case(
            f"reword {name} while banned",
            BANNED,
            f"update public.voice_clips set phrase = 'y' where id = '{clip}'",
        )
        for name, clip in (("a flagged clip", FLAGGED), ("a clip with no status", NO_STATUS))
    ),
    Case(
        "vote",
        ME,
        f"insert into public.validations (voice_clip_id, validator_id) values ('{THEIRS}', '{ME}')",
    ),
    Case("edit a vote", ME, "update public.validations set is_approved = false"),
    Case("delete votes", ME, "delete from public.validations"),
)
TAKEN = (
    Case("add a clip under a post's id", ME, _voice(f") values ('{THEIR_PENDING}', 't', 'rw', '{ME}')")),
    Case("add a clip under a video's id", ME, _voice(f") values ('{THEIR_VIDEO}', 't', 'rw', '{ME}')")),
    Case(
        "add a post under a clip's id",
        ME,
        _post(f"id) values ('text', 't', 'rw', '{ME}', '{THEIRS}')"),
    ),
)
# What builds that know nothing of the backend send.
OLD_BUILDS = (
    Case("add a clip without a status", ME, _voice(f", audio_url) values ('{NEW}', 't', 'rw', '{ME}', 'a')")),
    Case("add a clip with no status", ME, _voice(f", status) values ('{NEW}', 't', 'rw', '{ME}', null)")),
    Case(
        "add a video",
        ME,
        f"insert into public.video_clips (title, language, user_id) values ('t', 'rw', '{ME}')",
    ),
    Case("reword one's pending clip", ME, f"update public.voice_clips set phrase = 'x' where id = '{MINE}'"),
    Case("delete one's pending clip", ME, f"delete from public.voice_clips where id = '{MINE}'"),
    Case("like a clip", ME, f"update public.voice_clips set likes_count = 7 where id = '{THEIRS}'"),
    Case("like an approved clip", ME, f"update public.voice_clips set likes_count = 7 where id = '{MINE_APPROVED}'"),
    Case("like a banned user's clip", ME, f"update public.voice_clips set likes_count = 7 where id = '{FLAGGED}'"),
    Case("read a vote", ME, "select id from public.validations"),
    Case("add a post as new builds do", ME, _post(f"body) values ('text', 't', 'rw', '{ME}', 'b')")),
    Case("edit a pending post as new builds do", ME, f"update public.posts set title = 'x' where id = '{MY_PENDING}'"),
)  # fmt: skip


@pytest.mark.parametrize("case", REFUSED, ids=[case.name for case in REFUSED])
async def test_a_client_can_not(case: Case, place: Arena) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await place.run(case, keep=False)


@pytest.mark.parametrize("case", TAKEN, ids=[case.name for case in TAKEN])
async def test_an_id_names_one_post(case: Case, place: Arena) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await place.run(case, keep=False)


@pytest.mark.parametrize("case", OLD_BUILDS, ids=[case.name for case in OLD_BUILDS])
async def test_builds_in_the_field_still(case: Case, place: Arena) -> None:
    assert await place.run(case, keep=False) == 1


async def test_a_new_clip_is_pending_and_a_post_at_once(place: Arena) -> None:
    added = Case("add", ME, _voice(f") values ('{NEW}', 'Muraho', 'rw', '{ME}') returning id"))
    await place.run(added)
    row = await place.platform.fetchrow("select * from private.posts where id = $1", UUID(NEW))
    await place.platform.execute("delete from private.posts where id = $1", UUID(NEW))

    assert row is not None
    assert (row["author_id"], row["kind"], row["title"]) == (UUID(ME), "voice", "Muraho")
    assert (row["validation_status"], row["version"]) == ("pending", 1)
    assert (
        await place.platform.fetchval("select count(*) from public.voice_clips where id = $1", UUID(NEW)) == 0
    )


async def test_what_is_counted_on_a_clip_raises_no_version_and_what_is_judged_does(
    clips_database: Database,
) -> None:
    connection = await asyncpg.connect(clips_database.superuser_url)
    try:
        clip = await add_post(connection, author_id=ME)
        versions = []
        for change in ("likes_count = 1", "phrase = 'other'", "status = 'rejected'", "version = 70"):
            await connection.execute(f"update public.voice_clips set {change} where id = $1", clip)
            versions.append(
                await connection.fetchval("select version from private.posts where id = $1", clip)
            )
    finally:
        await connection.close()

    assert versions == [1, 2, 3, 3]


async def test_a_word_that_nobody_knows_for_a_status_is_undecided_and_stays(clips_database: Database) -> None:
    connection = await asyncpg.connect(clips_database.superuser_url)
    try:
        clip = await add_post(connection, author_id=ME, validation_status="flagged")
        shown = await connection.fetchval("select validation_status from private.posts where id = $1", clip)
        stored = await connection.fetchval("select status from public.voice_clips where id = $1", clip)
        await connection.execute("alter table public.voice_clips alter user_id drop not null")
        nobodys = await connection.fetchval(
            "insert into public.voice_clips (phrase, language) values ('t', 'rw') returning id"
        )
        author = await connection.fetchval("select author_id from private.posts where id = $1", nobodys)
    finally:
        await connection.close()

    assert (shown, stored) == ("pending", "flagged")
    assert author.int == 0


async def test_old_builds_see_the_decision(clips_database: Database) -> None:
    connection = await asyncpg.connect(clips_database.superuser_url)
    try:
        clip = await add_post(connection, author_id=ME)
        seen = []
        for status in ("approved", "rejected", "pending"):
            await connection.execute(
                "update private.posts set validation_status = $2 where id = $1", clip, status
            )
            row = await connection.fetchrow(
                "select status, is_validated from public.voice_clips where id = $1", clip
            )
            assert row is not None
            seen.append(tuple(row))
    finally:
        await connection.close()

    assert seen == [("approved", True), ("rejected", False), ("pending", False)]


async def test_an_erasure_leaves_no_words_of_a_clip_and_keeps_the_decision(clips_database: Database) -> None:
    connection = await asyncpg.connect(clips_database.superuser_url)
    try:
        words = {"title": "Muraho", "body": "Hello", "media_url": "https://x"}
        decided = await add_post(connection, author_id=ME, validation_status="approved", **words)
        await add_post(connection, author_id=ME, **words)
        for statement in (STEPS["undecided posts"], STEPS["posts"]):
            await connection.execute(statement, UUID(ME))
        [left] = await connection.fetch(
            "select id, phrase, translation, audio_url, status from public.voice_clips where user_id = $1", ME
        )
    finally:
        await connection.close()

    assert tuple(left) == (decided, "", "", "", "approved")


QUEUE = """
explain select id from private.posts where {where}
order by created_at, id limit 50
"""


@pytest.mark.parametrize(
    "where", ["true", "validation_status = 'pending'", "validation_status = 'pending' and language = 'rw'"]
)
async def test_the_queue_is_read_along_an_index_of_each_table(where: str, clips_database: Database) -> None:
    connection = await asyncpg.connect(clips_database.superuser_url)
    try:
        await connection.execute(
            "set enable_seqscan = off; set enable_bitmapscan = off; set enable_sort = off"
        )
        plan = "\n".join(row[0] for row in await connection.fetch(QUEUE.format(where=where)))
    finally:
        await connection.close()

    assert "Merge Append" in plan
    assert "Sort " not in plan.replace("Sort Key", "")
    assert plan.count("Index") >= 3
    assert "Seq Scan" not in plan


async def test_the_steps_can_be_run_again(clips_database: Database) -> None:
    look = """
    select tgrelid::regclass::text || tgname, pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
    union all select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index
    union all select 'view', pg_get_viewdef('private.posts'::regclass) order by 1, 2
    """
    connection = await asyncpg.connect(clips_database.migrator_url)
    try:
        before = await connection.fetch(look)
        await run_steps(connection, POST_STEPS)
        after = await connection.fetch(look)
    finally:
        await connection.close()

    assert after == before


async def test_an_id_that_two_clips_have_stops_the_adoption(clips_database: Database) -> None:
    connection = await asyncpg.connect(clips_database.superuser_url)
    try:
        await connection.execute(
            "alter table public.voice_clips disable trigger zz_keep_post_once;"
            f"insert into public.video_clips (id, user_id, title, language) values ('{MINE}', '{ME}', 't', 'rw');"
            + _voice(f") values ('{MINE}', 't', 'rw', '{ME}')")
        )
        with pytest.raises(MigrationRefused, match=MINE):
            await run_steps(connection, POST_STEPS)
    finally:
        await connection.close()


async def test_an_approved_post_of_ours_stays_one(peopled_clips: Database) -> None:
    [row] = await peopled_clips.fetch(
        "select kind, validation_status from private.posts where id = $1", UUID(MY_APPROVED)
    )
    assert tuple(row) == ("text", "approved")
