"""People of every role and account status, straight into the database, with tokens of the project's own key."""

import time
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar
from uuid import UUID, uuid4

import asyncpg
import httpx

from devstack.keys import SigningKey
from domain.identity import AccountStatus, Assurance, Role
from infrastructure.postgres.accounts import OPEN_WITH_BALANCE
from support.backend import KEPT
from support.clips import add_post
from support.database import Database


@dataclass(frozen=True, slots=True)
class Place:
    """A database with two backends on it: one as usual, one that wants a second factor in the vault."""

    database: Database
    key: SigningKey
    issuer: str
    api_url: str
    strict_url: str
    own_posts: bool
    """Whether posts are in our table; else the app's clips are the posts."""


@dataclass(frozen=True, slots=True)
class TestUser:
    """Somebody signed in."""

    __test__: ClassVar[bool] = False  # no tests, whatever its name says to pytest

    id: UUID
    session_id: UUID
    token: str


class Factories:
    """Makes people and posts, and looks at what came of them."""

    def __init__(self, place: Place, platform: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.place = place
        self.platform = platform

    async def make_user(
        self,
        role: Role = Role.USER,
        *,
        anonymous: bool = False,
        assurance: Assurance = Assurance.AAL1,
        name: str | None = None,
    ) -> TestUser:
        """A user with a profile, a wallet, and a session."""
        user_id, session_id = uuid4(), uuid4()
        email = None if anonymous else f"{user_id}@lingualink.test"
        async with self.platform.transaction():
            await self.platform.execute(
                "insert into auth.users (id, email, is_anonymous) values ($1, $2, $3)",
                user_id,
                email,
                anonymous,
            )
            await self.platform.execute(
                "insert into public.profiles (id, username, role) values ($1::uuid, $2, $3)",
                user_id,
                name,
                role,
            )
            await self.platform.execute("insert into public.wallets (user_id) values ($1)", user_id)
            await self.platform.execute(
                "insert into auth.sessions (id, user_id) values ($1, $2)", session_id, user_id
            )
        return TestUser(user_id, session_id, self._token(user_id, session_id, anonymous, assurance))

    async def has_account_status(self, user: TestUser, account_status: AccountStatus) -> None:
        """From now on the session is over, or the user banned or deleted."""
        if account_status is AccountStatus.REVOKED:
            await self.platform.execute("delete from auth.sessions where id = $1", user.session_id)
        elif account_status is AccountStatus.DELETED:
            await self.platform.execute("delete from auth.users where id = $1", user.id)
        elif account_status is AccountStatus.BANNED:
            await self.platform.execute(
                "insert into private.bans (user_id, reason, banned_by) values ($1, 'test', $1)", user.id
            )

    def _token(self, user_id: UUID, session_id: UUID, anonymous: bool, assurance: Assurance) -> str:
        now = int(time.time())
        return self.place.key.sign(
            {
                "iss": self.place.issuer,
                "aud": "authenticated",
                "sub": str(user_id),
                "role": "authenticated",
                "exp": now + 3_600,
                "iat": now,
                "aal": assurance,
                "session_id": str(session_id),
                "is_anonymous": anonymous,
                "app_metadata": {"role": "admin"},  # decides nothing
                "user_metadata": {"role": "admin"},
            }
        )

    async def post(self, author: TestUser, **columns: object) -> UUID:
        """A post, pending unless said otherwise; *columns* are further ones of ``public.posts``."""
        return await add_post(self.platform, author_id=author.id, **columns)

    async def withdrawal(self, owner: TestUser) -> UUID:
        """A withdrawal that waits to be settled."""
        made = await self.platform.fetchval(
            "insert into public.wallet_withdrawals (id, user_id, amount, transaction_id, created_at) "
            "values (gen_random_uuid(), $1, 1, gen_random_uuid(), now()) returning id",
            owner.id,
        )
        return UUID(int=made.int)

    async def bonus(self, owner: TestUser) -> UUID:
        """A bonus that can be taken back."""
        given = OPEN_WITH_BALANCE.replace("'opening', -amount", "'adjustments', -amount")
        await self.platform.execute(given.replace("'opening'", "'bonus'"), owner.id, Decimal(1))
        newest = "select id from public.wallet_transactions where user_id = $1"
        return UUID(int=(await self.platform.fetchval(newest, owner.id)).int)

    async def approval(self, requested_by: TestUser, owner: TestUser) -> UUID:
        """A bonus that waits for a second admin."""
        made = await self.platform.fetchval(
            "insert into private.approvals (id, action, target_id, request, requested_by, created_at, expires_at) "
            "values (gen_random_uuid(), 'vault.adjust_balance', $1, $2, $3, now(), now() + interval '7 days') "
            "returning id",
            owner.id,
            '{"kind": "bonus", "amount": "1", "note": "n"}',
            requested_by.id,
        )
        return UUID(int=made.int)

    async def audit(self, actor: TestUser) -> list[tuple[str, str | None]]:
        """What was recorded of *actor*, oldest first: action and refusal."""
        rows = await self.platform.fetch(
            "select action, refusal from private.audit_log where actor_id = $1 order by occurred_at, id",
            actor.id,
        )
        return [(row["action"], row["refusal"]) for row in rows]

    async def account_status_of(self, user: TestUser) -> tuple[str, bool]:
        """The role as stored, and whether there is a ban of ours."""
        row = await self.platform.fetchrow(
            "select role, exists (select from private.bans where user_id = $1) as banned "
            "from public.profiles where id::uuid = $1",
            user.id,
        )
        assert row is not None
        return row["role"], row["banned"]

    def client(self, user: TestUser | None = None, *, strict: bool = False) -> httpx.AsyncClient:
        """A client of the backend, as *user*."""
        headers = {} if user is None else {"Authorization": f"Bearer {user.token}"}
        base_url = self.place.strict_url if strict else self.place.api_url
        return httpx.AsyncClient(base_url=base_url, headers=headers, timeout=30, limits=KEPT)
