"""Starts and stops the parts of the local system: PostgreSQL, the Supabase stand-in, and the backend itself."""

import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import uvicorn

from bootstrap.operations import ServerBeside
from devstack.postgres import LocalPostgres
from devstack.processes import CannotStartError, EndsWithUs, listen, stop_orphan
from devstack.supabase import SupabaseConfig, create_supabase, install_shim

DATABASE = "postgres"
LOOPBACK = "127.0.0.1"
MIGRATOR = "supabase_postgres_like"
SERVICE = "lingualink_api"
LONGEST_DRAIN_S = 40
"""Requests may take 20 s to finish, and the relay 10 for its last batch."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the parts listen; by default where the Supabase CLI would."""

    api: int
    supabase: int
    postgres: int

    @classmethod
    def from_environment(cls) -> "Ports":
        """The ports, as ``LINGUALINK_DEV_*_PORT`` say.

        Raises:
            CannotStartError: one of them is no port.
        """
        return cls(
            api=_port("LINGUALINK_DEV_API_PORT", 8000),
            supabase=_port("LINGUALINK_DEV_SUPABASE_PORT", 54321),
            postgres=_port("LINGUALINK_DEV_POSTGRES_PORT", 54322),
        )


def _port(variable: str, default: int) -> int:
    text = os.environ.get(variable) or str(default)
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise CannotStartError(f"{variable} is no port: {text}")
    return int(text)


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of this folder's Supabase project, made once."""

    publishable: str
    secret: str
    service_password: str

    @classmethod
    def load(cls, folder: Path) -> "Keys":
        """Read the keys, or make them."""
        kept = folder / "keys.json"
        if not kept.exists():
            made = {
                "publishable": f"sb_publishable_{secrets.token_urlsafe(24)}",
                "secret": f"sb_secret_{secrets.token_urlsafe(24)}",
                "service_password": secrets.token_urlsafe(24),
            }
            kept.touch(mode=0o600)
            kept.write_text(json.dumps(made))
        return cls(**json.loads(kept.read_text()))


@dataclass(frozen=True, slots=True)
class Urls:
    """Where everything answers: on this machine, and at *host* for whoever else may come (a phone, say)."""

    ports: Ports
    keys: Keys
    host: str = LOOPBACK

    @property
    def api(self) -> str:
        """The backend."""
        return f"http://{self.host}:{self.ports.api}"

    @property
    def supabase(self) -> str:
        """The stand-in."""
        return f"http://{self.host}:{self.ports.supabase}"

    @property
    def supabase_here(self) -> str:
        """The stand-in, for this machine: the backend speaks plain HTTP with nobody else."""
        return f"http://{LOOPBACK}:{self.ports.supabase}"

    @property
    def service_database(self) -> str:
        """The database, as the backend's role."""
        return (
            f"postgresql://{SERVICE}:{self.keys.service_password}@{LOOPBACK}:{self.ports.postgres}/{DATABASE}"
        )


async def prepare_project(postgres: LocalPostgres) -> None:
    """Make the cluster look like a Supabase project, and let its ``postgres`` log in."""
    connection = await asyncpg.connect(postgres.url(DATABASE))
    try:
        await install_shim(connection)
        for role in (MIGRATOR, "authenticator"):
            await connection.execute(f"alter role {role} password '{postgres.password}'")
        await connection.execute(f'grant create on database "{DATABASE}" to {MIGRATOR}')
    finally:
        await connection.close()


async def let_service_in(postgres: LocalPostgres, password: str) -> None:
    """Give the backend's role its password: an operator's act after the first migration."""
    connection = await asyncpg.connect(postgres.url(DATABASE, MIGRATOR))
    try:
        await connection.execute(f"alter role {SERVICE} password '{password}'")
    finally:
        await connection.close()


@asynccontextmanager
async def supabase_stand_in(postgres: LocalPostgres, urls: Urls, folder: Path) -> AsyncIterator[None]:
    """Serve the stand-in while the block runs."""
    config = SupabaseConfig(
        database_url=postgres.url(DATABASE),
        base_url=urls.supabase,
        publishable_key=urls.keys.publishable,
        secret_key=urls.keys.secret,
        key_folder=folder / "signing-key",
    )
    server = ServerBeside(
        uvicorn.Config(create_supabase(config), log_level="warning", timeout_graceful_shutdown=1)
    )
    listening = [listen(host, urls.ports.supabase) for host in sorted({LOOPBACK, urls.host})]
    task = asyncio.create_task(server.serve(listening))
    while not server.started:
        if task.done():
            task.result()
            raise CannotStartError("The Supabase stand-in did not start.")
        await asyncio.wait({task}, timeout=0.02)
    try:
        yield
    finally:
        server.should_exit = True
        await task


def stop_orphan_backend(folder: Path) -> None:
    """End a backend that outlived an earlier run."""
    stop_orphan(_pid_file(folder), "devstack.backend", signal.SIGTERM)


def _pid_file(folder: Path) -> Path:
    return folder / "backend.pid"


@asynccontextmanager
async def backend(
    urls: Urls, folder: Path, extra: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run the backend, with the demo page beside it, while the block runs; it is ready inside."""
    pid_file = _pid_file(folder)
    environment = {
        **os.environ,
        "DATABASE_URL": urls.service_database,
        "SUPABASE_URL": urls.supabase_here,
        "SUPABASE_JWT_ISSUER": f"{urls.supabase}/auth/v1",
        "SUPABASE_SECRET_KEY": urls.keys.secret,
        "LINGUALINK_HOST": urls.host,
        "LINGUALINK_PORT": str(urls.ports.api),
        "LINGUALINK_DEMO_SUPABASE_URL": urls.supabase,
        "LINGUALINK_DEMO_PUBLISHABLE_KEY": urls.keys.publishable,
        "LINGUALINK_DRAIN_DELAY": "0",
        **extra,
    }
    with (folder / "backend.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "devstack.backend"),
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    pid_file.write_text(str(process.pid))
    tie = EndsWithUs(process.pid, signal.SIGTERM)
    try:
        await until_ready(process, f"{urls.api}/health/ready", folder / "backend.log")
        yield process
    finally:
        tie.let_go()
        await _end(process)
        pid_file.unlink()


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), LONGEST_DRAIN_S)
    except TimeoutError:
        process.kill()
        await process.wait()


async def until_ready(process: asyncio.subprocess.Process, url: str, log: Path) -> None:
    """Return once what *process* serves at *url* is ready.

    Raises:
        CannotStartError: it ended instead; with the end of its *log*.
    """
    ended = asyncio.create_task(process.wait())
    async with httpx.AsyncClient() as http:
        while not ended.done():
            try:
                if (await http.get(url)).is_success:
                    ended.cancel()
                    return
            except httpx.HTTPError:
                pass
            await asyncio.wait({ended}, timeout=0.05)
    said = log.read_text(errors="replace").strip()[-800:]
    raise CannotStartError(f"The backend did not start:\n{said}")
