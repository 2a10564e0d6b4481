"""``make drill``: roll two instances from the released version to this one and back, under load.

Exit 0: nobody noticed. Exit 1: somebody would have. Exit 2: the drill could not be held.
"""

import asyncio
import os
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from itertools import cycle, islice
from pathlib import Path

import click

from devstack.postgres import LocalPostgres
from drill.fleet import Instance, Proxy, operate, proxied, reconciles
from drill.load import Cast, Load, cast
from drill.verdict import Listener, Verdict, still_owed, unreconciled
from drill.versions import BREAK, EXPAND, CannotDrillError, Version, install, old_revision
from support.database import Database, make_project
from support.javascript import running
from support.people import Person
from support.stack import SupabaseStack, postgres_cluster, supabase_on

LISTENERS = 3
WORKERS = {"a": 1, "b": 2}
"""Of each instance: a process that stops by itself, and one that stops others."""
DRAIN_DELAY_S = 3


@click.command()
@click.option("--rolls", default=5, show_default=True, help="How many times an instance is replaced.")
@click.option(
    "--requests", default=20_000, show_default=True, help="How many requests are made in all, at least."
)
@click.option(
    "--sabotage",
    type=click.Choice(["drain", "expand"]),
    help="Break what the drill is about, to see that it notices.",
)
def main(rolls: int, requests: int, sabotage: str | None) -> None:
    """Hold the drill, and print its table."""
    with tempfile.TemporaryDirectory(prefix="lingualink-drill-") as name, postgres_cluster() as cluster:
        folder = Path(name)
        try:
            old = install(folder / "old", "old", old_revision())
            step = BREAK if sabotage == "expand" else EXPAND
            new = install(folder / "new", "new", "HEAD", step)
            click.echo(f"from {old.name} to {new.name}")
            verdict = asyncio.run(Drill(folder, cluster, old, new, sabotage).hold(rolls, requests))
        except CannotDrillError as reason:
            click.echo(reason, err=True)
            sys.exit(2)
    click.echo(verdict.table())
    click.echo("Nobody noticed." if verdict.good else "Somebody would have noticed.")
    sys.exit(0 if verdict.good else 1)


class Drill:
    """Two versions, two instances, one database."""

    def __init__(
        self, folder: Path, cluster: LocalPostgres, old: Version, new: Version, sabotage: str | None
    ) -> None:
        self._folder = folder
        self._cluster = cluster
        self._old = old
        self._new = new
        self._delay = 0 if sabotage == "drain" else DRAIN_DELAY_S
        self._unclean = 0

    async def hold(self, rolls: int, requests: int) -> Verdict:
        """Set everything up at the old version, migrate under load, roll forth and back."""
        database = await make_project(self._cluster, "drill")
        await asyncio.to_thread(operate, self._old, database.migrator_url, "migrate")
        with supabase_on(self._cluster, database.name) as supabase:
            environment = self._environment(database, supabase)
            instances = [
                Instance(name, {**environment, "LINGUALINK_WORKERS": str(workers)}, self._folder)
                for name, workers in WORKERS.items()
            ]
            for instance in instances:
                await instance.start(self._old)
            async with proxied(instances, self._folder) as proxy:
                actors = await cast(database, supabase, proxy.url)
                granting = ("grant-role", actors.moderator.id, "moderator")
                await asyncio.to_thread(operate, self._old, database.migrator_url, *granting)
                return await self._under_load(database, supabase, proxy, instances, actors, rolls, requests)

    async def _under_load(
        self,
        database: Database,
        supabase: SupabaseStack,
        proxy: Proxy,
        instances: list[Instance],
        actors: Cast,
        rolls: int,
        requests: int,
    ) -> Verdict:
        load = Load(proxy.url, actors, seed=1)
        began = time.monotonic()
        async with AsyncExitStack() as stack:
            listeners = [
                await self._listener(stack, supabase, person) for person in actors.people[:LISTENERS]
            ]
            async with load.running():
                part = requests // (rolls + 2)
                await load.until(part)
                await asyncio.to_thread(operate, self._new, database.migrator_url, "migrate")
                click.echo("  migrated under load")
                await self._roll(load, proxy, instances, rolls, part)
                await load.until(requests)
            seconds = time.monotonic() - began
            owed = await still_owed(database)
            lost = sum([await listener.lost(database) for listener in listeners])
            heard = sum(len(listener.heard) for listener in listeners)
        wrong = await unreconciled(database, load.tally)
        environment = self._environment(database, supabase)
        wrong += not await asyncio.to_thread(reconciles, self._new, environment)
        for instance in instances:
            self._unclean += await instance.stop() != 0
        return Verdict(load.tally, heard, lost, owed, wrong, self._unclean, rolls, seconds)

    async def _roll(self, load: Load, proxy: Proxy, instances: list[Instance], rolls: int, part: int) -> None:
        """Both instances to the new version, both back to the old one, and so on."""
        a, b = instances
        order = [(a, self._new), (b, self._new), (a, self._old), (b, self._old)]
        for number, (instance, version) in enumerate(islice(cycle(order), rolls), start=2):
            await load.until(number * part)
            self._unclean += await instance.stop() != 0
            await instance.start(version)
            await proxy.until_up(instance)
            click.echo(f"  {instance.name} runs {version.name}; {load.tally.requests:,} requests so far")

    @staticmethod
    async def _listener(stack: AsyncExitStack, supabase: SupabaseStack, person: Person) -> Listener:
        options = {"url": supabase.url, "key": supabase.publishable_key, "token": person.token}
        script = await stack.enter_async_context(
            running("channel.mjs", **options, topic=person.topic, config={"private": True})
        )
        await script.expect("status", seconds=30)
        return Listener(person, script)

    def _environment(self, database: Database, supabase: SupabaseStack) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": database.service_url,
            "LINGUALINK_DATABASE_POOLER": database.pooler,
            "SUPABASE_URL": supabase.url,
            "SUPABASE_SECRET_KEY": supabase.secret_key,
            "LINGUALINK_DRAIN_DELAY": str(self._delay),
            "LINGUALINK_LOG_LEVEL": "warning",
            "LINGUALINK_RATE_LIMIT": "0",
        }


if __name__ == "__main__":
    main()
