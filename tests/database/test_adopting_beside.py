"""While a large database is taken over, nobody who reads, writes or signs in waits long, whatever Supabase locks.

In the gate with few rows; `make chaos` has 200,000 people.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from database.adoptees import adopt, adoptee, command
from database.test_adopting_killed import running
from devstack.adoptee import LINGUALINK
from devstack.postgres import LocalPostgres
from support.database import Database
from support.stopwatch import Stopwatch, stopwatch

CHAOS = bool(os.environ.get("LINGUALINK_CHAOS"))
ROWS = 200_000 if CHAOS else 4_000
LONGEST_WAIT_S = 2.0
READ_FOR_S = 2.5
ME = "c0000000-0000-4000-8000-000000000003"

PEOPLE = f"""
insert into public.profiles (id, username, full_name, balance, updated_at)
select gen_random_uuid()::text, 'person' || n, 'Person ' || n, n % 90, case when n % 2 = 0 then now() end
from generate_series(1, {ROWS}) n
"""
CLIPS = f"""
insert into public.voice_clips (user_id, phrase, language, status, created_at)
select '{ME}', 'Phrase ' || n, 'yo', 'approved', now() - n * interval '1 minute' from generate_series(1, {ROWS}) n
"""
DOING = {
    "reads a profile": f"select username, balance from public.profiles where id = '{ME}'",
    "edits a profile": f"update public.profiles set bio = 'b' || clock_timestamp() where id = '{ME}'",
    "posts a clip": f"insert into public.voice_clips (user_id, phrase, language) values ('{ME}', 'p', 'yo')",
    "signs in": f"update auth.users set updated_at = now() where id = '{ME}'",
}


@pytest.fixture(params=["locks of a policy alone", "locks of hosted Supabase"])
def busy(cluster: LocalPostgres, request: pytest.FixtureRequest) -> Iterator[Database]:
    """A database with as many people as there are rows, as many clips, and Supabase's locks switched on or off."""
    account = f"insert into auth.users (id, email) values ('{ME}', 'learner@lingualink.test')"
    with adoptee(cluster, account, LINGUALINK.replace(":id", "text"), PEOPLE, CLIPS) as made:
        if request.param == "locks of hosted Supabase":
            made.run("alter event trigger locks_of_supautils enable")
        yield made


@asynccontextmanager
async def repeated(
    database: Database, statement: str, clock: Stopwatch, waits: list[float]
) -> AsyncIterator[None]:
    """Somebody who does it all the time, for as long as the block runs; how long they waited by *clock*."""
    connection = await asyncpg.connect(database.superuser_url)
    ended = asyncio.Event()

    async def go_on() -> None:
        while not ended.is_set():
            began = clock.seconds
            await connection.execute(statement)
            waits.append(clock.seconds - began)
            await asyncio.sleep(0.02)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        ended.set()
        await task
        await connection.close()


async def read_for_long(database: Database, table: str, stop: Callable[[], bool]) -> None:
    """Transactions that have the table open for seconds, one after the other."""
    connection = await asyncpg.connect(database.superuser_url)
    try:
        while not stop():
            async with connection.transaction():
                await connection.execute(f"lock table {table} in access share mode")
                await connection.execute("select pg_sleep($1)", READ_FOR_S)
            await asyncio.sleep(1)
    finally:
        await connection.close()


def test_nobody_waits_long(busy: Database) -> None:
    waits: dict[str, list[float]] = {doing: [] for doing in DOING}

    async def beside(work: Callable[[], tuple[str, str]]) -> tuple[str, str]:
        async with contextlib.AsyncExitStack() as stack:
            for doing, statement in DOING.items():
                await stack.enter_async_context(repeated(busy, statement, clock, waits[doing]))
            done = asyncio.create_task(asyncio.to_thread(work))
            readers = [
                asyncio.create_task(read_for_long(busy, table, done.done))
                for table in ("public.profiles", "auth.users")
            ]
            said = await done
            await asyncio.gather(*readers)
            return said

    with running(busy) as process, stopwatch() as clock:
        _, complaint = asyncio.run(beside(process.communicate))

    assert (process.returncode, complaint) == (0, "")
    if CHAOS:
        longest = {doing: f"{max(found):.2f} s" for doing, found in waits.items()}
        print(f"{ROWS} rows, {clock.seconds:.0f} s in all: {longest}")  # noqa: T201 - the figure is what it is run for
    assert all(len(found) > 10 for found in waits.values())
    assert {doing: max(found) for doing, found in waits.items() if max(found) > LONGEST_WAIT_S} == {}
    assert command(busy, "adopt", "--report").stdout.splitlines()[1].startswith("found adopted")


COUNTS = """
create table public.had_alone (statement text, transaction xid8);
create function public.count_alone() returns event_trigger language plpgsql security definer set search_path = '' as $$
begin
  if exists (
    select from pg_locks where pid = pg_backend_pid() and relation = 'public.profiles'::regclass
      and mode in ('ShareRowExclusiveLock', 'AccessExclusiveLock')
  ) then
    insert into public.had_alone values (current_query(), pg_current_xact_id());
  end if;
end
$$;
create event trigger count_alone on ddl_command_end execute function public.count_alone();
"""
MOST_ALONE = 4


def test_a_transaction_has_the_people_alone_for_a_few_statements(cluster: LocalPostgres) -> None:
    """Each statement is a way to the database and back, for which whoever edits a profile waits."""
    with adoptee(cluster, LINGUALINK.replace(":id", "text")) as database:
        asyncio.run(_as_superuser(database, COUNTS))
        assert adopt(database).exit_code == 0
        held = database.run(
            "select array_agg(distinct left(statement, 80)) as statements, count(distinct statement) "
            "from public.had_alone group by transaction"
        )

    assert held
    assert [row["statements"] for row in held if row["count"] > MOST_ALONE] == []


async def _as_superuser(database: Database, script: str) -> None:
    connection = await asyncpg.connect(database.superuser_url)
    try:
        await connection.execute(script)
    finally:
        await connection.close()
