"""Two instances behind HAProxy, which neither retries nor hides anything: what a real balancer would lose is lost."""

import asyncio
import csv
import os
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from devstack.processes import CannotStartError
from devstack.stack import until_ready
from drill.versions import CannotDrillError, Version
from support.ports import free_port

PROXY = """
global
    maxconn 2000
defaults
    mode http
    retries 0
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    timeout http-keep-alive 60s
    http-reuse safe
frontend api
    bind 127.0.0.1:{port}
    default_backend lingualink
frontend statistics
    bind 127.0.0.1:{statistics}
    stats enable
    stats uri /
backend lingualink
    balance roundrobin
    option httpchk GET /health/ready
    http-check expect status 200
    timeout check 3s
    default-server inter 500ms fastinter 250ms fall 2 rise 1
{servers}
"""


class Instance:
    """One place that a version runs in."""

    def __init__(self, name: str, environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.port = free_port()
        self._environment = {**environment, "LINGUALINK_PORT": str(self.port)}
        self._log = folder / f"{name}.log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, version: Version) -> None:
        """Run *version*, and return once it is ready.

        Raises:
            CannotDrillError: it ended instead.
        """
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(str(version.program), "serve"), env=self._environment, stdout=log, stderr=log
            )
        try:
            await until_ready(self._process, f"http://127.0.0.1:{self.port}/health/ready", self._log)
        except CannotStartError as reason:
            raise CannotDrillError(f"{version.name}: {reason}") from None

    async def stop(self) -> int:
        """Ask it to stop, as a platform does; its exit code."""
        if self._process is None:
            return 0
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        return await self._process.wait()

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()


class Proxy:
    """HAProxy in front of instances."""

    def __init__(self, instances: list[Instance]) -> None:
        self._instances = instances
        self._statistics = free_port()
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"

    def configuration(self) -> str:
        """What HAProxy is told."""
        servers = "\n".join(f"    server {one.name} 127.0.0.1:{one.port} check" for one in self._instances)
        return PROXY.format(port=self._port, statistics=self._statistics, servers=servers)

    async def until_up(self, instance: Instance) -> None:
        """Return once HAProxy sends requests to *instance*."""
        async with httpx.AsyncClient() as http:
            while not await self._is_up(http, instance):  # noqa: ASYNC110 - another process makes it true
                await asyncio.sleep(0.05)

    async def _is_up(self, http: httpx.AsyncClient, instance: Instance) -> bool:
        try:
            told = await http.get(f"http://127.0.0.1:{self._statistics}/;csv")
        except httpx.TransportError:
            return False
        rows = csv.DictReader(told.text.removeprefix("# ").splitlines())
        return any(row["svname"] == instance.name and row["status"].startswith("UP") for row in rows)


@asynccontextmanager
async def proxied(instances: list[Instance], folder: Path) -> AsyncIterator[Proxy]:
    """Run HAProxy in front of *instances*.

    Raises:
        CannotDrillError: HAProxy is not installed.
    """
    program = shutil.which("haproxy", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        raise CannotDrillError("HAProxy is missing: apt-get install haproxy")
    proxy = Proxy(instances)
    (folder / "haproxy.cfg").write_text(proxy.configuration())
    with (folder / "haproxy.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(program, "-db", "-f", str(folder / "haproxy.cfg")), stdout=log, stderr=log
        )
    try:
        for instance in instances:
            await proxy.until_up(instance)
        yield proxy
    finally:
        process.terminate()
        await process.wait()
        for instance in instances:
            instance.kill()


def reconciles(version: Version, environment: Mapping[str, str]) -> bool:
    """Whether the ledger adds up, as *version* itself says."""
    command = [str(version.program), "doctor", "--ledger"]
    return not subprocess.run(command, env=environment, check=False).returncode


def operate(version: Version, url: str, *command: str) -> None:
    """Run an operator's *command* of *version* on the database at *url*.

    Raises:
        CannotDrillError: it failed.
    """
    done = subprocess.run(
        [str(version.program), *command],
        env={"MIGRATION_DATABASE_URL": url, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CannotDrillError(f"{version.name} does not {command[0]}: {done.stderr[-800:]}")
