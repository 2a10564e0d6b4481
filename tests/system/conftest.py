"""People of the running system, signed in at Supabase and known to the backend."""

from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from uuid import UUID

import httpx
import pytest

from infrastructure.postgres.accounts import OPEN_WITH_BALANCE
from support.backend import System, api
from support.people import Person, sign_up

Enter = Callable[..., Awaitable[Person]]


@pytest.fixture
async def enter(system: System) -> AsyncIterator[Enter]:
    """Sign somebody up, give them an account, and a role and money where asked."""
    headers = {"apikey": system.supabase.publishable_key}
    async with httpx.AsyncClient(base_url=system.supabase.url, headers=headers, timeout=30) as supabase:

        async def made(*, balance: str = "0", role: str = "user") -> Person:
            person = await sign_up(supabase)
            async with api(system, person.token) as client:
                assert (await client.get("/profile")).status_code == 200
            if Decimal(balance):
                await system.database.fetch(OPEN_WITH_BALANCE, UUID(person.id), Decimal(balance))
            if role != "user":
                await system.database.fetch(
                    "update public.profiles set role = $2 where id::uuid = $1", UUID(person.id), role
                )
            return person

        yield made
