"""Rewards to a thousand people at once: nobody waits for a row that all of them need."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from decimal import Decimal

import asyncpg
import pytest

from contract.test_validation import decide
from contract.world import PostgresWorld, postgres_world
from domain.identity import Principal, Role
from domain.posts import Post, PostStatus
from infrastructure.postgres.address import DatabaseAddress
from support.database import Database, cloned, make_template
from support.forms import sized
from support.ledger import proven
from support.stack import postgres_cluster
from support.wire import Wire, wire_to

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(sized(120, 900))]

AT_ONCE = 10
"""The connections of a world's pool: so many transactions can be open."""
AUTHORS = sized(4, 100) * AT_ONCE
WAITED = re.compile(r"still waiting for \w+ on (?:transaction|tuple)")


@dataclass(frozen=True, slots=True)
class Crowd:
    """A world behind a wire, on a server that writes down whoever waits for a row for more than a millisecond."""

    world: PostgresWorld
    database: Database
    wire: Wire

    def waits(self) -> int:
        """How often somebody waited for a row."""
        return len(WAITED.findall((self.database.cluster.home / "postgres.log").read_text()))

    async def approve(self, moderator: Principal, posts: list[Post]) -> None:
        """One after the other."""
        for post in posts:
            await decide(self.world, moderator, post, PostStatus.APPROVED, seen=1)


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
    with wire_to(talkative.service_url) as wire:
        address = DatabaseAddress.parse(wire.url, pooler=talkative.pooler)
        async with postgres_world(talkative, service=address) as world:
            yield Crowd(world, talkative, wire)


async def test_rewards_to_many_people_at_once_wait_for_no_common_row(crowd: Crowd) -> None:
    world = crowd.world
    await world.rate("0.005")
    moderators = [await world.user(Role.MODERATOR) for _ in range(AT_ONCE)]
    authors = [await world.user() for _ in range(AUTHORS)]
    posts = [await world.post(author) for author in authors]

    # None commits before all that can be open at a time have written all they write.
    crowd.wire.gather_commits(AT_ONCE)
    await asyncio.gather(
        *(crowd.approve(moderator, posts[n::AT_ONCE]) for n, moderator in enumerate(moderators))
    )

    print(f"{AUTHORS} approvals, {AT_ONCE} open at a time: {crowd.waits()} waits for a row")  # noqa: T201 - a figure
    assert crowd.waits() == 0
    assert {(await world.wallet(author)).balance.amount for author in authors} == {Decimal("0.005")}
    assert await proven(crowd.database) == []


async def test_a_wait_for_a_row_is_counted(crowd: Crowd) -> None:
    world = crowd.world
    author, moderator = await world.user(), await world.user(Role.MODERATOR)
    post = await world.post(author)
    holder = await asyncpg.connect(crowd.database.superuser_url)
    await holder.execute("begin")
    await holder.execute("select from public.wallets where user_id = $1 for update", author.user_id)

    approving = asyncio.create_task(crowd.approve(moderator, [post]))
    while not crowd.waits():  # noqa: ASYNC110 - a server's log
        await asyncio.sleep(0.01)
    await holder.execute("rollback")
    await approving
    await holder.close()
