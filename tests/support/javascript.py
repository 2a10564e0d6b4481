"""Node programs that speak JSON lines: a test writes commands to them and awaits what they tell."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

SCRIPTS = Path(__file__).parents[1] / "javascript"
LIMIT = 2**22


def node() -> str:
    """The Node of the development environment, else the system's."""
    ours = Path(sys.executable).with_name("node")
    found = str(ours) if ours.exists() else shutil.which("node")
    if found is None:
        raise FileNotFoundError("Node is missing: run make test")
    return found


class Script:
    """A running program; everything that it tells is kept, in order."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.told: list[dict[str, Any]] = []

    async def expect(self, event: str, seconds: float = 30.0) -> dict[str, Any]:
        """The next line that tells *event*; lines before it are passed over.

        Raises:
            AssertionError: none came in time.
        """
        try:
            async with asyncio.timeout(seconds):
                while True:
                    line = await self._next()
                    if line["event"] == event:
                        return line
        except TimeoutError:
            raise AssertionError(f"no {event!r} within {seconds} s, but {self.told}") from None

    async def _next(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, f"the program ended, having told {self.told}"
        said: dict[str, Any] = msgspec.json.decode(line)
        self.told.append(said)
        return said

    async def do(self, command: str, **arguments: Any) -> None:
        """Give the program a command."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode({"command": command, **arguments}) + b"\n")
        await self._process.stdin.drain()


@asynccontextmanager
async def running(name: str, **options: Any) -> AsyncIterator[Script]:
    """Run ``tests/javascript/<name>`` with *options* (one JSON argument) until the block is left."""
    process = await asyncio.create_subprocess_exec(
        node(),
        str(SCRIPTS / name),
        msgspec.json.encode(options).decode(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LIMIT,
    )
    try:
        yield Script(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
