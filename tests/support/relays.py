"""``lingualink relay`` as a process, and what its metrics say."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from support.ports import free_port

COMMAND = [sys.executable, "-c", "from bootstrap.cli import main; main()"]


@dataclass(frozen=True, slots=True)
class RelayProcess:
    """A running relay, and where its metrics are."""

    process: "subprocess.Popen[bytes]"
    ops_port: int

    async def metric(self, name: str) -> float | None:
        """The value of a metric without labels; None while the process does not answer."""
        try:
            async with httpx.AsyncClient(timeout=30) as http:
                text = (await http.get(f"http://127.0.0.1:{self.ops_port}/metrics")).text
        except httpx.HTTPError:
            return None
        return next(
            (float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} ")), None
        )


def environment(database_url: str, supabase_url: str) -> dict[str, str]:
    """What any command of ours needs."""
    return {
        **os.environ,
        "DATABASE_URL": database_url,
        "SUPABASE_URL": supabase_url,
        "SUPABASE_SECRET_KEY": "sb_secret_for_tests_only",
        "LINGUALINK_OPS_PORT": "0",
    }


@contextmanager
def relay_process(
    database_url: str, supabase_url: str, changes: Mapping[str, str] | None = None
) -> Iterator[RelayProcess]:
    """Run a relay alone until the block is left; it may have been ended before."""
    port = free_port()
    process = subprocess.Popen(
        [*COMMAND, "relay"],
        env={
            **environment(database_url, supabase_url),
            "LINGUALINK_OPS_PORT": str(port),
            **(changes or {}),
        },
        stdout=subprocess.DEVNULL,
    )
    try:
        yield RelayProcess(process, port)
    finally:
        process.kill()
        process.wait()
