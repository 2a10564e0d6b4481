"""``make run``: the whole system on this machine, from nothing to ready; Ctrl-C stops all of it.

``make run-adopted`` is the same on a database that had LinguaLink's own tables first, in a folder of its own.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack.adoptee import make_adoptee, take_over
from devstack.postgres import LocalPostgres, PostgresFailedError
from devstack.processes import CannotStartError, listen, only_instance, require_free_port
from devstack.seed import LEARNER, PASSWORD, SAMPLES, TUTOR, seed
from devstack.stack import (
    DATABASE,
    LOOPBACK,
    MIGRATOR,
    Keys,
    Ports,
    Urls,
    backend,
    let_service_in,
    prepare_project,
    stop_orphan_backend,
    supabase_stand_in,
)
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.migrations import upgrade

FOLDER = Path.cwd() / ".local"
ADOPTED = "adopted"


def main() -> None:
    """Run until Ctrl-C."""
    adopted = sys.argv[1:] == [ADOPTED]
    folder = FOLDER / ADOPTED if adopted else FOLDER
    try:
        ports = Ports.from_environment()
        with only_instance(folder):
            asyncio.run(run(ports, folder, adopted=adopted))
    except (CannotStartError, PostgresFailedError) as reason:
        print(reason, file=sys.stderr)
        sys.exit(1)


async def run(ports: Ports, folder: Path, *, adopted: bool) -> None:
    """Start each part once the one before it is ready, and stop them in the opposite order."""
    urls = Urls(ports, Keys.load(folder), os.environ.get("LINGUALINK_DEV_HOST") or LOOPBACK)
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    postgres = LocalPostgres(folder / "postgres", ports.postgres, durable=True)
    try:
        with step("PostgreSQL"):
            postgres.stop_orphan()
            require_free_port(ports.postgres, "LINGUALINK_DEV_POSTGRES_PORT")
            require_free_port(ports.supabase, "LINGUALINK_DEV_SUPABASE_PORT")
            stop_orphan_backend(folder)
            require_free_port(ports.api, "LINGUALINK_DEV_API_PORT")
            listen(urls.host, ports.api).close()
            await asyncio.to_thread(postgres.start)
            await prepare_project(postgres)
        owner = postgres.url(DATABASE, MIGRATOR)
        if not adopted:
            with step("Migrations"):
                await asyncio.to_thread(upgrade, DatabaseAddress.parse(owner))
        async with supabase_stand_in(postgres, urls, folder):
            if adopted:
                with step("LinguaLink's own database, with people in it"):
                    await make_adoptee(urls.supabase_here, urls.keys.secret, owner)
                with step("Adoption"):
                    await take_over(owner)
            else:
                with step("Sample people, money and posts"):
                    await seed(urls.supabase_here, urls.keys.secret, postgres.url(DATABASE))
            await let_service_in(postgres, urls.keys.service_password)
            await serve(urls, folder, stopped)
    finally:
        await asyncio.to_thread(postgres.stop)
    print("Stopped. What you did is kept in .local/ until make clean.")


async def serve(urls: Urls, folder: Path, stopped: asyncio.Event) -> None:
    """Run the backend until Ctrl-C, or until it ends by itself."""
    async with backend(urls, folder, {}) as process:
        print(welcome(urls), flush=True)
        ended = asyncio.create_task(process.wait())
        asked = asyncio.create_task(stopped.wait())
        await asyncio.wait({ended, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if ended.done():
            raise CannotStartError(
                f"The backend ended by itself (exit {process.returncode}); see .local/backend.log."
            )
        print("\nStopping …", flush=True)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Say what is under way, and how long it took."""
    began = time.monotonic()
    print(f"  … {name}", end="", flush=True)
    yield
    print(f"\r  ✓ {name} ({time.monotonic() - began:.1f} s)", flush=True)


def welcome(urls: Urls) -> str:
    """What a person needs to begin."""
    people = "\n".join(f"    {person.email:28} {person.role:10}" for person in SAMPLES)
    return f"""
LinguaLink is ready. Ctrl-C stops it; make clean forgets it.

  Demo page       {urls.api}/demo   (open it in two windows, as two people)
  API             {urls.api}   (documentation: {urls.api}/schema)
  Supabase        {urls.supabase}   (stand-in: Auth, REST and Realtime)
  PostgreSQL      postgresql://postgres:postgres@127.0.0.1:{urls.ports.postgres}/{DATABASE}
  Publishable key {urls.keys.publishable}
  Secret key      {urls.keys.secret}

  Sign in, each with the password {PASSWORD}:
{people}

  Pay {TUTOR.name} as {LEARNER.name}:

    TOKEN=$(curl -s '{urls.supabase}/auth/v1/token?grant_type=password' \\
      -H 'apikey: {urls.keys.publishable}' -H 'Content-Type: application/json' \\
      -d '{{"email": "{LEARNER.email}", "password": "{PASSWORD}"}}' | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
    curl -s {urls.api}/wallet/transfers -H "Authorization: Bearer $TOKEN" \\
      -H 'Content-Type: application/json' -H "Idempotency-Key: $(date +%s)" \\
      -d '{{"recipient_id": "{TUTOR.id}", "amount": "1.50"}}'
"""


if __name__ == "__main__":
    main()
