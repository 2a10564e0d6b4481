"""LinguaLink's voice and video clips as posts: they stay where they are, and the view of all posts shows them too.

Old builds go on with the columns that they know: ``status`` is the validation status (any other word is undecided), the
table tells the kind. Votes of before (``validations``) stay as history. These steps run after the migrations.
"""

from collections.abc import Iterator, Mapping
from operator import attrgetter
from typing import Final

import asyncpg

from domain.posts import PostKind
from infrastructure.adoption.shape import Shape
from infrastructure.adoption.steps import Adoption, Step, attach, build_index, trigger
from infrastructure.doctor.catalogue import expected
from infrastructure.postgres.migrations import MigrationRefused
from infrastructure.postgres.queries import POST_COLUMNS

CLIPS: Final = {"public.voice_clips": PostKind.VOICE, "public.video_clips": PostKind.VIDEO}
"""Tables of the app that are the home of posts, and of which kind."""

VALIDATIONS: Final = "public.validations"

_ADDED: Final = (
    *("validated_by uuid", "validated_at timestamptz", "validation_reason text"),
    "version integer not null default 1",
)
# Whom a clip without an author is by: an id that nobody has, as if the author's account were deleted.
_NOBODY: Final = "'00000000-0000-0000-0000-000000000000'"
_DECIDED: Final = "case when status in ('approved', 'rejected') then status::text else 'pending' end"
_TWICE: Final = """
select array_agg(id order by id) from (
  select id::text from public.voice_clips intersect select id::text from public.video_clips order by id limit 20
) twice
"""


def clip_tables(shape: Shape) -> list[str]:
    """The tables of clips that are there."""
    return [table for table in CLIPS if table in shape.tables]


def _text(shape: Shape, table: str, *columns: str) -> str:
    """The first of *columns* that the table has."""
    return next((f"{column}::text" for column in columns if shape.has(table, column)), "null::text")


def as_post(shape: Shape, table: str) -> Mapping[str, str]:
    """What each column of a post is in *table*: immutable expressions, so that indexes can be made of them."""
    created_at = "created_at"
    if shape.type_of(table, created_at) == "timestamp without time zone":
        created_at += " at time zone 'UTC'"
    return {
        "id": "id::uuid",
        "author_id": f"coalesce(user_id::uuid, {_NOBODY}::uuid)",
        "kind": f"'{CLIPS[table]}'::text",
        "title": f"coalesce({_text(shape, table, 'title', 'phrase')}, '')",
        "body": _text(shape, table, "translation"),
        "language": f"coalesce({_text(shape, table, 'language')}, '')",
        "dialect": _text(shape, table, "dialect"),
        "media_url": _text(shape, table, "audio_url", "video_url"),
        "validation_status": _DECIDED,
        "created_at": f"coalesce({created_at}, '1970-01-01 00:00:00+00'::timestamptz)",
    }


def posts_view(shape: Shape) -> str:
    """The SQL of the view of all posts. Its parts have no conditions: only so is it read along their indexes."""
    parts = [f"select {POST_COLUMNS}, tableoid as home from public.posts"]  # noqa: S608 - our own names
    for table in clip_tables(shape):
        column = as_post(shape, table)
        shown = ", ".join(f"{column.get(name, name)} as {name}" for name in POST_COLUMNS.split(", "))
        parts.append(f"select {shown}, tableoid from {table}")  # noqa: S608
    return f"create or replace view private.posts as {' union all '.join(parts)}"


def clip_indexes(shape: Shape) -> Iterator[tuple[str, str]]:
    """The indexes that the queue is read by, named, as on ``public.posts``; they also prove that ids are UUIDs."""
    for table in clip_tables(shape):
        column, name = as_post(shape, table), table.removeprefix("public.")
        order = f"({column['created_at']}), ({column['id']})"
        status = f"({column['validation_status']})"
        yield f"lingualink_{name}_order", f"{table} ({order})"
        yield f"lingualink_{name}_language", f"{table} (({column['language']}), {order})"
        yield f"lingualink_{name}_queue", f"{table} ({status}, {order})"
        yield f"lingualink_{name}_queue_language", f"{table} ({status}, ({column['language']}), {order})"
        yield f"lingualink_{name}_author", f"{table} (({column['author_id']}), ({column['created_at']}))"
        if shape.type_of(table) != "uuid":
            yield f"lingualink_{name}_id", f"{table} (({column['id']}))"


def post_guards(shape: Shape) -> Mapping[str, str]:
    """The triggers on clips, votes and posts, as the doctor's catalogue names things, by the SQL that makes them."""
    made = expected().items
    model, closed = "public.posts", "public.wallets"
    guards = {}
    for table in clip_tables(shape):
        for name in ("zz_guard_post", "zz_refuse_banned_author", "zz_refuse_clients"):
            ours = name.replace("guard_post", "guard_clip")
            sql = made[f"trigger {name} on {model}"].replace(model, table).replace("guard_post", "guard_clip")
            guards[f"trigger {ours} on {table}"] = sql
    for table in (model, *clip_tables(shape)):
        guards |= trigger("zz_keep_post_once", "keep_post_once", "BEFORE INSERT", table)
    if VALIDATIONS in shape.tables:
        refuse = made[f"trigger zz_refuse_clients on {closed}"]
        guards[f"trigger zz_refuse_clients on {VALIDATIONS}"] = refuse.replace(closed, VALIDATIONS)
    return guards


SHOWING: Final = {
    "trigger write_post on private.posts": (
        "CREATE TRIGGER write_post INSTEAD OF DELETE OR UPDATE ON private.posts FOR EACH ROW "
        "EXECUTE FUNCTION private.write_post()"
    )
}
"""The trigger that writes through the view of all posts, in the same form."""


async def _prepare(connection: asyncpg.Connection, adoption: Adoption) -> None:
    """Add our columns; refused where an id is a voice clip's and a video clip's: nobody can say which is meant."""
    if len(clip_tables(adoption.shape)) == len(CLIPS) and (twice := await connection.fetchval(_TWICE)):
        raise MigrationRefused(f"Voice clips and video clips have the same ids: {', '.join(twice)}.")
    for table in clip_tables(adoption.shape):
        added = ", ".join(f"add column if not exists {column}" for column in _ADDED)
        await connection.execute(f"alter table {table} {added}")


async def _index(connection: asyncpg.Connection, adoption: Adoption) -> None:
    for name, on in clip_indexes(adoption.shape):
        await build_index(connection, name, on, unique=name.endswith("_id"))


async def _show(connection: asyncpg.Connection, adoption: Adoption) -> None:
    """Let the view of all posts show the clips, and write to them."""
    await connection.execute(posts_view(adoption.shape))
    await attach(connection, SHOWING)


POST_STEPS: Final = (
    Step(
        "clips.columns",
        "voice and video clips get the columns of a decision",
        _prepare,
        applies=attrgetter("has_clips"),
    ),
    Step(
        "clips.indexes",
        "indexes for the queue of clips are built, blocking nobody",
        _index,
        in_transaction=False,
        applies=attrgetter("has_clips"),
    ),
    Step(
        "clips.guards",
        "clients can no longer decide on clips, nor write votes",
        lambda connection, adoption: attach(connection, post_guards(adoption.shape)),
        in_transaction=False,
        applies=attrgetter("has_clips"),
    ),
    Step(
        "clips.view",
        "the service's view of all posts shows the clips",
        _show,
        applies=attrgetter("has_clips"),
    ),
)
"""What makes clips posts, in this order, after the migrations."""
