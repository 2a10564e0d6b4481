"""Brings the shared database to head: one runner at a time, however many are started."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config

# One number for all runners of this project, whatever database they work on.
RUNNER_LOCK = 6_117_003


def migrations_folder() -> Path:
    """Where the revisions are: beside the source, or in the wheel."""
    packages = Path(__file__).parents[2]
    installed = packages / "lingualink_migrations"
    return installed if installed.is_dir() else packages.parent / "migrations"


def _config(url: str | None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    if url is not None:
        config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def upgrade(url: str) -> None:
    """Run every revision that is missing; a no-op the second time. A second runner waits for the first."""
    with _only_runner(url):
        command.upgrade(_config(url), "head")


def print_sql() -> None:
    """Print the SQL of all revisions to standard output."""
    command.upgrade(_config(None), "head", sql=True)


@contextmanager
def _only_runner(url: str) -> Iterator[None]:
    """Hold the runners' lock on a connection of its own: migrations commit, and would let go of it."""
    with asyncio.Runner() as loop:
        connection = loop.run(asyncpg.connect(url))
        try:
            loop.run(connection.execute("select pg_advisory_lock($1)", RUNNER_LOCK))
            yield
        finally:
            loop.run(connection.close())
