"""Fixtures of every folder: one cluster a worker, databases cloned from a template, one running system."""

from collections.abc import Iterator

import pytest

from devstack.postgres import LocalPostgres
from support.backend import System, backend
from support.database import Database, cloned, make_template
from support.stack import postgres_cluster, supabase_on


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio alone, as the service does."""
    return "asyncio"


@pytest.fixture(scope="session")
def cluster() -> Iterator[LocalPostgres]:
    """A PostgreSQL cluster."""
    with postgres_cluster() as running:
        yield running


@pytest.fixture(scope="session")
def projects(cluster: LocalPostgres) -> LocalPostgres:
    """The same, with the template of a Supabase project at head."""
    make_template(cluster)
    return cluster


@pytest.fixture
def database(projects: LocalPostgres) -> Iterator[Database]:
    """A database of the test's own."""
    with cloned(projects) as made:
        yield made


@pytest.fixture(scope="session")
def system(projects: LocalPostgres) -> Iterator[System]:
    """The whole hybrid, shared by tests that bring their own people."""
    with (
        cloned(projects) as made,
        supabase_on(projects, made.name) as supabase,
        backend(made, supabase) as running,
    ):
        yield running
