"""What a worker has loaded when it is ready: each library is megabytes of every worker, and time of every start."""

import subprocess
import sys

import pytest

LISTED = """
advanced_alchemy asyncpg certifi click cryptography dishka httptools jwt litestar msgspec prometheus_client
pydantic_settings sqlalchemy stamina structlog uvicorn

annotated_types anyio dotenv greenlet multidict multipart pydantic pydantic_core sniffio tenacity typing_extensions
typing_inspection yaml

attr attrs
"""
"""Named in pyproject.toml; brought by these; loaded by advanced-alchemy where it finds them."""
OURS = {"cython_runtime", "application", "bootstrap", "domain", "infrastructure", "web"}
WHOSE = ("00000000-0000-4000-8000-000000000000", "--reason", "x")
START = """
import atexit, sys
atexit.register(lambda: print(*(name for name, module in sys.modules.items() if module)))
from bootstrap.cli import main
main(sys.argv[1:])
"""


def loaded_by(*command: str) -> set[str]:
    """The packages that *command* has loaded. Without an environment it ends where nothing is read yet."""
    started = subprocess.run(
        [sys.executable, "-c", START, *command], capture_output=True, text=True, env={}, check=False
    )
    assert "DATABASE_URL: is missing" in started.stderr
    return {name.partition(".")[0] for name in started.stdout.split() if not name.startswith("_")}


@pytest.mark.parametrize("command", ["serve", "relay"])
def test_a_worker_loads_what_is_listed_here_and_nothing_else(command: str) -> None:
    assert loaded_by(command) - OURS - sys.stdlib_module_names <= set(LISTED.split())


@pytest.mark.parametrize("command", ["seal", "doctor --ledger", "outbox list", "unfreeze"])
def test_an_operators_command_waits_neither_for_the_framework_nor_for_the_migrations(command: str) -> None:
    words = [*command.split(), *(WHOSE if command == "unfreeze" else ())]

    assert loaded_by(*words) & {"advanced_alchemy", "alembic", "httpx", "litestar"} == set()
