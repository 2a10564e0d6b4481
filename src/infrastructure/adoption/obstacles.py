"""What stops an adoption before any change: it would have to guess, or to change what is the app's."""

import re
from collections.abc import Sequence
from typing import Final

import asyncpg

from domain.posts import PostStatus
from infrastructure.adoption.mirrored import look_at_mirrored
from infrastructure.adoption.observations import Look, Observation, Part
from infrastructure.adoption.rows import look_at_ids
from infrastructure.adoption.shape import APP_TABLES, PROFILES, Shape
from infrastructure.postgres.migrations import MADE_FIRST
from infrastructure.postgres.ownership import APP_POSTS, OUR_TABLES

READ_IDS: Final = (
    *(f"{PROFILES}.id", "public.voice_clips.id", "public.voice_clips.user_id"),
    *("public.video_clips.id", "public.video_clips.user_id"),
)
"""Ids that the service reads as UUIDs."""
_TEXTS: Final = ("text", "character varying")
_TYPES: Final = {
    "id": ("uuid", *_TEXTS),
    **dict.fromkeys(("username", "full_name", "avatar_url", "role"), _TEXTS),
    **dict.fromkeys(("created_at", "updated_at"), ("timestamp with time zone",)),
}
"""What the service can read the app's columns as; a type may bound its length."""
_TABLE = """
select pg_has_role(c.relowner, 'usage') as own,
       exists (
         select from pg_index x join pg_attribute a on a.attrelid = c.oid and a.attname = 'id'
         where x.indrelid = c.oid and x.indisunique and x.indisvalid and x.indpred is null
           and x.indnatts = 1 and x.indkey[0] = a.attnum
       ) as id_unique,
       array(
         select k.conname || ' ' || pg_get_constraintdef(k.oid) from pg_constraint k
         join pg_attribute a on a.attrelid = c.oid and a.attname = 'role' and a.attnum = any (k.conkey)
         where k.conrelid = c.oid and k.contype = 'c'
           and k.conname not in ('profiles_role_known', 'lingualink_role_there')
       ) as role_checks
from pg_class c where c.oid = to_regclass($1)
"""


_CHECKS_OF_STATUS: Final = """
select k.conname::text as name, pg_get_expr(k.conbin, k.conrelid) as condition
from pg_constraint k join pg_attribute a on a.attrelid = k.conrelid and a.attname = 'status'
where k.conrelid = to_regclass($1) and k.contype = 'c' and k.conkey = array[a.attnum]
order by 1
"""

_CLIP: Final = {
    **dict.fromkeys(("id", "user_id"), ("uuid", *_TEXTS)),
    "status": _TEXTS,
    "created_at": ("timestamp with time zone", "timestamp without time zone"),
}
"""What a table of clips must have to be one of posts, and what the service can read it as."""
_SAME_IDS = """
select v.id::text from public.voice_clips v join public.video_clips w on lower(w.id::text) = lower(v.id::text)
order by 1
"""


async def check_obstacles(connection: asyncpg.Connection, shape: Shape) -> Sequence[Observation]:
    """Everything that has to be cleared away first, by the app's owner."""
    look = Look(connection, Part.STOPS)
    _see_tables(look, shape)
    if PROFILES in shape.tables:
        await _see_profiles(look, shape)
    await look_at_ids(look, shape, READ_IDS)
    await _see_clips(look, shape)
    await look_at_mirrored(look, shape)
    return look.seen


def _see_tables(look: Look, shape: Shape) -> None:
    if PROFILES not in shape.tables:
        look.see("no_profiles", PROFILES, "is not there: the service would not know who is who")
    for name in shape.tables:
        if name in OUR_TABLES and name != PROFILES and name not in MADE_FIRST:
            look.see("name_taken", name, "is not ours, and ours has this name: rename it, or move it away")
    for name, row in shape.tables.items():
        if row["kind"] != "r" and (name == PROFILES or name in APP_TABLES):
            look.see("not_a_table", name, "is not an ordinary table")
    if shape.has_clips and "public.posts" in shape.tables:
        look.see("two_sources", "public.posts", "is there beside clips: which of them are the posts?")


async def _see_profiles(look: Look, shape: Shape) -> None:
    for name, allowed in _TYPES.items():
        found = shape.type_of(PROFILES, name)
        if found is not None and found.partition("(")[0] not in allowed:
            readable = " or ".join(allowed)
            look.see("type", f"{PROFILES}.{name}", f"is {found}; the service can read {readable}")
    if not shape.has(PROFILES, "id"):
        look.see("type", f"{PROFILES}.id", "is not there")
    for is_own, is_unique, role_checks in await look.ask(PROFILES, _TABLE, PROFILES):
        if not is_own:
            look.see("not_owner", PROFILES, "belongs to a role that MIGRATION_DATABASE_URL may not act as")
        if not is_unique:
            look.see("id_not_unique", f"{PROFILES}.id", "has no primary key or unique index of its own")
        for check in role_checks:
            said = f"has a check of the app's, to be dropped first: {check}"
            look.see("role_check", f"{PROFILES}.role", said)


async def _see_clips(look: Look, shape: Shape) -> None:
    """Clips become posts, and one post has one id."""
    for table in APP_POSTS:
        if table in shape.tables:
            await _see_clip_table(look, shape, table)
    if all(shape.has(table, "id") for table in APP_POSTS):
        where = "public.voice_clips.id"
        if twice := [row["id"] for row in await look.ask(where, _SAME_IDS)]:
            look.see("id_twice", where, "is the id of a video clip too", len(twice), twice)


async def _see_clip_table(look: Look, shape: Shape, table: str) -> None:
    for name, allowed in _CLIP.items():
        found = shape.type_of(table, name)
        if found is None:
            look.see("type", f"{table}.{name}", "is not there")
        elif re.sub(r"\(\d+\)", "", found) not in allowed:
            look.see("type", f"{table}.{name}", f"is {found}; the service can read {' or '.join(allowed)}")
    where = f"{table}.status"
    for name, condition in await look.ask(where, _CHECKS_OF_STATUS, table):
        words = f"select status from unnest($1::text[]) as word (status) where not ({condition})"  # noqa: S608
        if refused := [row["status"] for row in await look.ask(where, words, list(PostStatus))]:
            look.see("status_check", where, f"{name} refuses what is decided", len(refused), refused)
