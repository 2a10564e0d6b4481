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
START = """
import atexit, sys
atexit.register(lambda: print(*(name for name, module in sys.modules.items() if module)))
from bootstrap.cli import main
main([sys.argv[1]])
"""


@pytest.mark.parametrize("command", ["serve", "relay"])
def test_a_worker_loads_what_is_listed_here_and_nothing_else(command: str) -> None:
    """Without an environment it ends where everything is loaded and nothing is read."""
    started = subprocess.run(
        [sys.executable, "-c", START, command], capture_output=True, text=True, env={}, check=False
    )
    assert "DATABASE_URL: is missing" in started.stderr
    loaded = {name.partition(".")[0] for name in started.stdout.split() if not name.startswith("_")}
    assert loaded - OURS - sys.stdlib_module_names <= set(LISTED.split())
