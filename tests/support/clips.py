"""Posts for tests, wherever a database keeps them: in our own table, or in LinguaLink's clips."""

from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg

from infrastructure.adoption.posts import POST_STEPS
from infrastructure.adoption.shape import read_shape
from infrastructure.adoption.steps import Adoption, Rates, Step
from support.database import Database

APP_TABLES: Final = (Path(__file__).parent / "clips.sql").read_text()
_NAMES: Final = {"author_id": "user_id", "body": "translation", "validation_status": "status"}
_VOICE: Final = ("public.voice_clips", {**_NAMES, "title": "phrase", "media_url": "audio_url"})
_VIDEO: Final = ("public.video_clips", {**_NAMES, "media_url": "video_url"})
_HAS_CLIPS: Final = "select to_regclass('public.voice_clips') is not null"


async def make_clips(database: Database) -> None:
    """Give a database at head the app's tables, unless it was adopted with them, and take their clips over as posts."""
    connection = await asyncpg.connect(database.migrator_url)
    try:
        if not await connection.fetchval(_HAS_CLIPS):
            await connection.execute(APP_TABLES)
            await run_steps(connection, POST_STEPS)
    finally:
        await connection.close()


async def run_steps(
    connection: "asyncpg.Connection[asyncpg.Record]", steps: tuple[Step, ...], rates: Rates | None = None
) -> None:
    """Run *steps* as the runner would."""
    adoption = Adoption(await read_shape(connection), rates=rates or {})
    for step in steps:
        if not step.applies(adoption.shape):
            continue
        if step.in_transaction:
            async with connection.transaction():
                await step.run(connection, adoption)
        else:
            await step.run(connection, adoption)
        await connection.execute(
            "insert into private.adoption_steps (name) values ($1) on conflict do nothing", step.name
        )


async def add_post(platform: "asyncpg.Connection[asyncpg.Record]", **post: object) -> UUID:
    """Add a post (by the columns of ``public.posts``; a voice clip if its kind is not said), and return its id."""
    return await add_posts(platform, 1, **post)


async def add_posts(platform: "asyncpg.Connection[asyncpg.Record]", count: int, **post: object) -> UUID:
    """Add *count* posts that are alike, and return the id of one."""
    table, row = "public.posts", {"kind": "text", "title": "Good morning", "language": "rw", **post}
    if await platform.fetchval(_HAS_CLIPS):
        table, names = _VIDEO if post.get("kind") == "video" else _VOICE
        row = {names.get(name, name): value for name, value in row.items() if name != "kind"}
        row["user_id"] = str(row["user_id"])
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    made = await platform.fetchval(
        f"insert into {table} ({', '.join(row)}) select {places} from generate_series(1, {count}) returning id",
        *row.values(),
    )
    return UUID(int=made.int)
