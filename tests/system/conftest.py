"""People of the running system, signed in at Supabase and known to the backend."""

from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from uuid import UUID

import httpx
import pytest

from support.backend import System, api
from support.people import Person, sign_up

Enter = Callable[..., Awaitable[Person]]

_FUND = """
with wallet as (update public.wallets set balance = $2, version = 1 where user_id = $1)
insert into public.wallet_transactions (id, user_id, kind, amount, balance_after, version, created_at)
values (gen_random_uuid(), $1, 'opening', $2, $2, 1, now())
"""


@pytest.fixture
async def enter(system: System) -> AsyncIterator[Enter]:
    """Sign somebody up, give them an account, and a role and money where asked."""
    headers = {"apikey": system.supabase.publishable_key}
    async with httpx.AsyncClient(base_url=system.supabase.url, headers=headers) as supabase:

        async def made(*, balance: str = "0", role: str = "user") -> Person:
            person = await sign_up(supabase)
            async with api(system, person.token) as client:
                assert (await client.get("/profile")).status_code == 200
            if Decimal(balance):
                await system.database.fetch(_FUND, UUID(person.id), Decimal(balance))
            if role != "user":
                await system.database.fetch(
                    "update public.profiles set role = $2 where id = $1", UUID(person.id), role
                )
            return person

        yield made
