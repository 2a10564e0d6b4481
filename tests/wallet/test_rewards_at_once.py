"""Rewards to a thousand people at once: nobody waits for a row that all of them need."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from decimal import Decimal

import asyncpg
import pytest

from contract.backend import PostgresBackend, postgres_backend
from contract.test_validation import decide
from domain.identity import Principal, Role
from domain.posts import Post, PostStatus
from infrastructure.postgres.address import DatabaseAddress
from support.database import Database, cloned, make_template
from support.forms import sized
from support.ledger import proven
from support.stack import postgres_cluster
from support.tcp_proxy import TcpProxy, proxy_to

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(sized(300, 900))]

AT_ONCE = 10
"""The connections of a backend's pool: so many transactions can be open."""
AUTHORS = sized(4, 100) * AT_ONCE
WAITED = re.compile(r"still waiting for \w+ on (?:transaction|tuple)")


@dataclass(frozen=True, slots=True)
class Crowd:
    """A backend behind a proxy, on a server that writes down whoever waits for a row for more than a millisecond."""

    backend: PostgresBackend
    database: Database
    proxy: TcpProxy

    def waits(self) -> int:
        """How often somebody waited for a row."""
        return len(WAITED.findall((self.database.cluster.home / "postgres.log").read_text()))

    async def approve(self, moderator: Principal, posts: list[Post]) -> None:
        """One after the other."""
        for post in posts:
            await decide(self.backend, moderator, post, PostStatus.APPROVED, seen=1)


@pytest.fixture
def talkative() -> Iterator[Database]:
    """A database of a cluster of its own, which writes down every wait."""
    with postgres_cluster() as cluster:
        make_template(cluster)
        with cloned(cluster) as database:
            database.run(f"alter database \"{database.name}\" set deadlock_timeout = '1ms'")
            database.run(f'alter database "{database.name}" set log_lock_waits = on')
            yield database


@pytest.fixture
async def crowd(talkative: Database) -> AsyncIterator[Crowd]:
    with proxy_to(talkative.service_url) as proxy:
        address = DatabaseAddress.parse(proxy.url, pooler=talkative.pooler)
        async with postgres_backend(talkative, service=address) as backend:
            yield Crowd(backend, talkative, proxy)


async def test_rewards_to_many_people_at_once_wait_for_no_common_row(crowd: Crowd) -> None:
    backend = crowd.backend
    await backend.rate("0.005")
    moderators = [await backend.user(Role.MODERATOR) for _ in range(AT_ONCE)]
    authors = [await backend.user() for _ in range(AUTHORS)]
    posts = [await backend.post(author) for author in authors]

    # None commits before all that can be open at a time have written all they write.
    crowd.proxy.gather_commits(AT_ONCE)
    await asyncio.gather(
        *(crowd.approve(moderator, posts[n::AT_ONCE]) for n, moderator in enumerate(moderators))
    )

    print(f"{AUTHORS} approvals, {AT_ONCE} open at a time: {crowd.waits()} waits for a row")  # noqa: T201 - a figure
    assert crowd.waits() == 0
    assert {(await backend.wallet(author)).balance.amount for author in authors} == {Decimal("0.005")}
    assert await proven(crowd.database) == []


async def test_a_wait_for_a_row_is_counted(crowd: Crowd) -> None:
    backend = crowd.backend
    author, moderator = await backend.user(), await backend.user(Role.MODERATOR)
    post = await backend.post(author)
    holder = await asyncpg.connect(crowd.database.superuser_url)
    await holder.execute("begin")
    await holder.execute("select from public.wallets where user_id = $1 for update", author.user_id)

    approving = asyncio.create_task(crowd.approve(moderator, [post]))
    while not crowd.waits():  # noqa: ASYNC110 - a server's log
        await asyncio.sleep(0.01)
    await holder.execute("rollback")
    await approving
    await holder.close()
