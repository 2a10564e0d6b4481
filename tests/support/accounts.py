"""People with money, who use the backend over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx

from infrastructure.postgres.accounts import OPEN_WITH_BALANCE
from support.database import Database
from support.people import Person, sign_up
from support.stack import SupabaseStack

_ACCOUNT = """
with profile as (
  insert into public.profiles (id, role) values ($1::uuid, $2) on conflict (id) do update set role = excluded.role
)
insert into public.wallets (user_id) values ($1)
"""


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who signed up, with an account that the ledger explains."""

    person: Person

    @property
    def id(self) -> str:
        """The user's id."""
        return self.person.id

    def headers(self, key: str | None = None) -> dict[str, str]:
        """What the backend wants to see of them."""
        sent = {"Authorization": f"Bearer {self.person.token}"}
        return sent if key is None else {**sent, "Idempotency-Key": key}


@asynccontextmanager
async def sign_ups(supabase: SupabaseStack) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the stand-in, with the publishable key."""
    async with httpx.AsyncClient(
        base_url=supabase.url, headers={"apikey": supabase.publishable_key}, timeout=30
    ) as http:
        yield http


async def open_account(
    database: Database, http: httpx.AsyncClient, balance: str = "0.00", role: str = "user"
) -> Account:
    """Sign up over *http*, and fill the wallet."""
    person = await sign_up(http)
    await database.fetch(_ACCOUNT, UUID(person.id), role)
    await database.fetch(OPEN_WITH_BALANCE, UUID(person.id), Decimal(balance))
    return Account(person)


async def stored(database: Database, account: Account) -> tuple[Decimal, int]:
    """Balance and version as the database has them."""
    [row] = await database.fetch(
        "select balance, version from public.wallets where user_id = $1", UUID(account.id)
    )
    return row["balance"], row["version"]


def is_problem(answer: httpx.Response) -> bool:
    """Whether *answer* is a problem document that agrees with its status."""
    if answer.headers.get("content-type") != "application/problem+json":
        return False
    body: dict[str, Any] = answer.json()
    return body["status"] == answer.status_code and {"type", "title", "detail", "code", "request_id"} <= set(
        body
    )
