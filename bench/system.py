"""What is measured: one durable PostgreSQL, a sink for Supabase, our service and its NestJS peer, started alike."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.request import urlopen

import asyncpg

from bench.people import SECRET, SEED, Mint
from devstack.postgres import LocalPostgres
from devstack.supabase import install_shim
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.postgres.migrations import upgrade

OURS: Final = "bench_lingualink"
PEERS: Final = "bench_nestjs"
MIGRATOR: Final = "supabase_postgres_like"
SERVICE_KEY: Final = "sb_secret_" + "b" * 32
CONNECTIONS: Final = 16
"""To the database, of all workers together."""
# A durable database on a machine with memory: what both sides find.
TUNING: Final = ("shared_buffers = '1GB'", "max_wal_size = '4GB'", "wal_compression = off")


class CannotMeasureError(RuntimeError):
    """Something that a measurement needs is not there; the message says what."""


@dataclass(frozen=True, slots=True)
class Server:
    """A service that runs, and the process that its tree begins with."""

    name: str
    port: int
    pid: int


class System:
    """Database, sink and keys; servers come and go on it. Use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.postgres = LocalPostgres(folder / "postgres", free_port(), durable=True)
        self.sink_port = free_port()
        self.supabase = f"http://127.0.0.1:{self.sink_port}"
        folder.mkdir(parents=True, exist_ok=True)
        self.mint = Mint(folder, f"{self.supabase}/auth/v1")
        self._sink: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.postgres.start()
        asyncio.run(_each(self.postgres.url(), *(f"alter system set {line}" for line in TUNING)))
        self.postgres.stop()
        self.postgres.start()
        asyncio.run(self._make_ours())
        command = [
            "node",
            str(Path(__file__).with_name("sink.mjs")),
            str(self.sink_port),
            str(self.mint.key_set),
        ]
        self._sink = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        answers(f"{self.supabase}/count", self._sink)
        return self

    def __exit__(self, *_: object) -> None:
        if self._sink is not None:
            self._sink.terminate()
            self._sink.wait(timeout=10)
        self.postgres.stop()

    @property
    def postmaster(self) -> int:
        """The first process of PostgreSQL."""
        return int((self.postgres.home / "data" / "postmaster.pid").read_text().split("\n", 1)[0])

    def run(self, database: str, *statements: str) -> None:
        """Run statements one by one, as a superuser."""
        asyncio.run(_each(self.postgres.url(database), *statements))

    def value(self, database: str, query: str) -> object:
        """The one value of *query*."""
        return asyncio.run(_value(self.postgres.url(database), query))

    def rows(self, database: str, query: str) -> list[tuple[object, ...]]:
        """All rows of *query*."""
        return asyncio.run(_rows(self.postgres.url(database), query))

    def settle(self, database: str) -> None:
        """What earlier writes left to do is done before a window, not in it."""
        self.run(database, "vacuum analyze", "checkpoint")

    @contextmanager
    def lingualink(
        self,
        *,
        relay: str = "off",
        module: str | None = None,
        database: str | None = None,
        workers: int = 1,
        **settings: str,
    ) -> Iterator[Server]:
        """Our service as it ships; *module* starts a variant of it, *database* goes another way to it."""
        port = free_port()
        environment = {
            **self._environment(database or self.postgres.url(OURS, "lingualink_api")),
            "LINGUALINK_PORT": str(port),
            "LINGUALINK_OPS_PORT": "0",
            "LINGUALINK_RELAY": relay,
            "LINGUALINK_WORKERS": str(workers),
            "LINGUALINK_POOL_SIZE": str(CONNECTIONS // workers),
            "LINGUALINK_RATE_LIMIT": "1000000",  # counted, and never reached
            "LINGUALINK_DRAIN_DELAY": "0",
            **settings,
        }
        shipped = [str(Path(sys.executable).with_name("lingualink"))]
        command = [*(shipped if module is None else [sys.executable, "-m", module]), "serve"]
        with _served("lingualink", port, command, environment, "/health/ready", self.folder) as server:
            yield server

    def _environment(self, database: str) -> dict[str, str]:
        return {
            "DATABASE_URL": database,
            "SUPABASE_URL": self.supabase,
            "SUPABASE_SECRET_KEY": SERVICE_KEY,
            "SUPABASE_JWT_SECRET": SECRET,
        }

    @contextmanager
    def relay(self, database: str) -> Iterator[Server]:
        """A relay alone, on the outbox of *database*."""
        port = free_port()
        environment = self._environment(self.postgres.url(database, "lingualink_api"))
        command = [str(Path(sys.executable).with_name("lingualink")), "relay"]
        with _served(
            "relay", port, command, {**environment, "LINGUALINK_OPS_PORT": str(port)}, "/metrics", self.folder
        ) as server:
            yield server

    def messages_taken(self) -> int:
        """How many messages the sink has taken."""
        with urlopen(f"{self.supabase}/count", timeout=5) as answer:  # noqa: S310 - our own address
            return int(json.load(answer)["messages"])

    @contextmanager
    def lingualink_at_a_distance(self, round_trip_ms: float) -> Iterator[Server]:
        """The same, with a network of *round_trip_ms* between it and its database."""
        port = free_port()
        command = [
            sys.executable,
            "-m",
            "bench.delay",
            str(port),
            str(self.postgres.port),
            str(round_trip_ms / 2),
        ]
        proxy = subprocess.Popen(command)
        address = self.postgres.url(OURS, "lingualink_api").replace(f":{self.postgres.port}/", f":{port}/")
        try:
            with self.lingualink(database=address) as server:
                yield server
        finally:
            proxy.terminate()
            proxy.wait(timeout=10)

    @contextmanager
    def nestjs(self, folder: Path, *, workers: int = 1, **settings: str) -> Iterator[Server]:
        """The peer, which *folder* holds built."""
        port = free_port()
        environment = {
            "DATABASE_URL": self.postgres.url(PEERS),
            "SUPABASE_URL": self.supabase,
            "SUPABASE_JWKS": str(self.mint.key_set),
            "SUPABASE_JWT_SECRET": SECRET,
            "SUPABASE_SERVICE_ROLE_KEY": SERVICE_KEY,
            "PORT": str(port),
            "NODE_ENV": "production",
            "WORKERS": str(workers),
            "POOL_SIZE": str(CONNECTIONS // workers),
            **settings,
        }
        command = ["node", str(folder / "dist" / "main.js")]
        with _served("nestjs", port, command, environment, "/health", self.folder) as server:
            yield server

    def make_peers(self, folder: Path) -> None:
        """The peer's own schema, from beside its folder."""
        script = (folder.parent / "schema.sql").read_text()
        self.run("postgres", f'create database "{PEERS}"')
        body = "\n".join(line for line in script.splitlines() if not line.startswith("\\"))
        tables, _, rest = body.partition("\ncommit;")
        self.run(PEERS, f"{tables}\ncommit;", *(line for line in rest.split(";") if line.strip()))

    async def _make_ours(self) -> None:
        await _each(self.postgres.url(), f'drop database if exists "{OURS}"', f'create database "{OURS}"')
        connection = await asyncpg.connect(self.postgres.url(OURS))
        try:
            await install_shim(connection)
            password = self.postgres.password
            await connection.execute(f'grant create on database "{OURS}" to {MIGRATOR}')
            await connection.execute(f"alter role {MIGRATOR} password '{password}'")
            await asyncio.to_thread(upgrade, DatabaseAddress.parse(self.postgres.url(OURS, MIGRATOR)))
            await connection.execute(f"alter role lingualink_api password '{password}'")
            await connection.execute(SEED)
        finally:
            await connection.close()


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(
    url: str, process: "subprocess.Popen[bytes]", log: Path | None = None, within: float = 30
) -> None:
    """Return once *url* answers 200.

    Raises:
        CannotMeasureError: the process ended, or it took too long; it ends with what the process said.
    """
    end = time.monotonic() + within
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            with urlopen(url, timeout=1) as answer:  # noqa: S310 - our own address
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.05)
    said = "" if log is None else log.read_text(errors="replace")[-500:]
    raise CannotMeasureError(f"{url} does not answer. {said}")


@contextmanager
def _served(
    name: str, port: int, command: list[str], environment: dict[str, str], probe: str, folder: Path
) -> Iterator[Server]:
    kept = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "LANG"}}
    path = folder / f"{name}.log"
    with path.open("wb") as log:
        process = subprocess.Popen(command, env={**kept, **environment}, stdout=log, stderr=subprocess.STDOUT)
        try:
            answers(f"http://127.0.0.1:{port}{probe}", process, path)
            yield Server(name, port, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()


async def _each(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def _rows(url: str, query: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()
