"""LinguaLink's own database as it is older than the service: made, with the sample people in it, and taken over."""

from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg

from devstack.seed import SAMPLES, sign_up
from domain.identity import Role
from infrastructure.adoption.run import adopt
from infrastructure.postgres.address import DatabaseAddress

LINGUALINK: Final = Path(__file__).with_name("lingualink.sql").read_text()
"""The SQL that makes it, with ``:id`` for the type of ids."""
_IS_THERE = "select to_regclass('public.profiles') is not null"


async def make_adoptee(supabase_url: str, secret_key: str, owner_url: str) -> None:
    """Make the app's tables and rows, as their owner, where they are missing."""
    connection = await asyncpg.connect(owner_url)
    try:
        if not await connection.fetchval(_IS_THERE):
            await sign_up(supabase_url, secret_key)
            await connection.execute(LINGUALINK.replace(":id", "text"))
    finally:
        await connection.close()


async def take_over(owner_url: str) -> None:
    """Adopt it, with the sample people's roles confirmed; a no-op the second time."""
    people: dict[UUID | str, Role] = {person.email: Role(person.role) for person in SAMPLES}
    await adopt(DatabaseAddress.parse(owner_url), people, {}, lambda _: None)
