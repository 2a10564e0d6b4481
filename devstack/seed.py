"""Sample people with money and posts, so that there is something to see from the first minute."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import asyncpg
import httpx

from infrastructure.postgres.accounts import OPEN_WITH_BALANCE

PASSWORD: Final = "password"


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample sign-in."""

    id: str
    name: str
    full_name: str
    role: str = "user"
    balance: Decimal = Decimal(0)

    @property
    def email(self) -> str:
        """What they sign in with."""
        return f"{self.name}@lingualink.test"


SAMPLES: Final = (
    Sample("a0000000-0000-4000-8000-000000000001", "admin", "Ama the admin", "admin"),
    Sample("b0000000-0000-4000-8000-000000000002", "moderator", "Musa the moderator", "moderator"),
    Sample(
        "c0000000-0000-4000-8000-000000000003", "learner", "Lindiwe the learner", balance=Decimal("25.00")
    ),
    Sample("d0000000-0000-4000-8000-000000000004", "tutor", "Tunde the tutor", balance=Decimal("100.00")),
)
LEARNER: Final = SAMPLES[2]
TUTOR: Final = SAMPLES[3]

_POSTS: Final = (
    ("text", "Greeting an elder in the morning", "Sanibonani, ninjani?", "zu", "Durban", None),
    ("voice", "Counting from one to ten", None, "yo", "Oyo", "/demo/counting.wav"),
    ("text", "How we say thank you", "Asante sana, rafiki yangu.", "sw", None, None),
)

_ACCOUNT = """
with profile as (
  insert into public.profiles (id, username, full_name, role) values ($1, $2, $3, $4)
  on conflict (id) do update set role = excluded.role
)
insert into public.wallets (user_id) values ($1) on conflict do nothing
"""
_POST = """
insert into public.posts (author_id, kind, title, body, language, dialect, media_url)
values ($1, $2, $3, $4, $5, $6, $7)
"""
_RATE = (
    "insert into private.reward_rates (action, amount) values ('post_approved', 5.00) "
    "on conflict do nothing returning true"
)
# How things came to be, as the ledger's proof wants to see it.
_RECORD = """
insert into private.audit_log (id, operator, action, target_id, before, after, request_id, occurred_at)
values (gen_random_uuid(), current_user, $1, $2, '{}', $3::text::jsonb, 'seed', clock_timestamp())
"""


async def seed(supabase_url: str, secret_key: str, database_url: str) -> None:
    """Make the sample people where they are missing; the second time nothing changes."""
    connection = await asyncpg.connect(database_url)
    try:
        if await connection.fetchval("select true from public.posts limit 1"):
            return
        await sign_up(supabase_url, secret_key)
        async with connection.transaction():
            for person in SAMPLES:
                await connection.execute(_ACCOUNT, person.id, person.name, person.full_name, person.role)
                await connection.execute(OPEN_WITH_BALANCE, person.id, person.balance)
                if person.role != "user":
                    await connection.execute(
                        _RECORD, "role.changed", person.id, json.dumps({"role": person.role})
                    )
            await connection.executemany(_POST, [(LEARNER.id, *post) for post in _POSTS])
            if await connection.fetchval(_RATE):
                rate = {"action": "post_approved", "amount": "5.00"}
                await connection.execute(_RECORD, "reward_rate.changed", None, json.dumps(rate))
    finally:
        await connection.close()


async def sign_up(supabase_url: str, secret_key: str) -> None:
    """Make the sample people's Auth accounts where they are missing."""
    async with httpx.AsyncClient(base_url=supabase_url, headers={"apikey": secret_key}) as http:
        for person in SAMPLES:
            account = {
                "id": person.id,
                "email": person.email,
                "password": PASSWORD,
                "email_confirm": True,
                "user_metadata": {"full_name": person.full_name},
            }
            answer = await http.post("/auth/v1/admin/users", json=account)
            if answer.is_error and answer.json().get("error_code") != "email_exists":
                answer.raise_for_status()
