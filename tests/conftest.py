"""Fixtures of every folder: one cluster a worker, databases cloned from a template, one running system."""

import asyncio
import os
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

import infrastructure.logging
from devstack.postgres import LocalPostgres
from support.backend import System, backend, readiness
from support.clips import make_clips
from support.database import Database, cloned, make_template
from support.dealing import InParts, place_in_line
from support.documented import undocumented
from support.external import external_project, is_external
from support.stack import postgres_cluster, supabase_on

# structlog's own tells each frame's variables: seconds of a busy machine, in the loop of the service under test.
_CONSOLE = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)

# How long an example takes says something of the machine only.
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Two workers more than cores: half of the time a test waits, for a process to start or a lease to end."""
    return None if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ else (os.cpu_count() or 1) + 2


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> InParts | None:
    """With --dist loadfile, related files go to one worker, and the longest come first."""
    return InParts(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Workers deal in the order of the collection; on somebody else's Supabase, not everything can run."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: place_in_line(item.nodeid.partition("::")[0]))
    _leave_out_what_makes_its_own_project(config, items)


def _leave_out_what_makes_its_own_project(config: pytest.Config, items: list[pytest.Item]) -> None:
    if is_external():
        left_out = [item for item in items if not _runs_anywhere(getattr(item, "fixturenames", ()))]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)


def _runs_anywhere(fixtures: Sequence[str]) -> bool:
    return not {"system", "stack"}.isdisjoint(fixtures) and {"cluster", "signing_key"}.isdisjoint(fixtures)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio alone, as the service does."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def no_certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nobody outside is asked, so nobody is trusted: each client of httpx's would read all certificates, for 30 ms."""
    with pytest.MonkeyPatch.context() as patch:
        if not is_external():
            patch.delenv("SSL_CERT_FILE", raising=False)
            patch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("certificates")))
        yield


@pytest.fixture(scope="session", autouse=True)
def loggers_are_not_cached() -> Iterator[None]:
    """Whoever configures the log, a fixture of many tests too: capture_logs does not reach a logger that is kept."""
    configure = structlog.configure

    def uncached(*arguments: Any, **settings: Any) -> None:
        configure(*arguments, **{**settings, "cache_logger_on_first_use": False})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", uncached)
        yield


@pytest.fixture(autouse=True)
def loggers_as_they_were() -> None:
    """A command that ran in this process configured the log: each test finds it as a process that begins."""
    structlog.reset_defaults()
    steps = [*structlog.get_config()["processors"][:-1], _CONSOLE]
    structlog.configure(processors=steps)
    infrastructure.logging._chain.tells_requests = True
    infrastructure.logging._chain.steps = []


@pytest.fixture(autouse=True)
def documented() -> Iterator[None]:
    """Nothing that the backend answered in the test is missing in docs/openapi.json."""
    undocumented.clear()
    yield
    assert undocumented == []


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
def clips_template(projects: LocalPostgres) -> Iterator[str]:
    """The name of a template whose posts are LinguaLink's clips."""
    with cloned(projects) as made:
        asyncio.run(make_clips(made))
        yield made.name


@pytest.fixture
def clips_database(projects: LocalPostgres, clips_template: str) -> Iterator[Database]:
    """A database of the test's own, whose posts are LinguaLink's clips."""
    with cloned(projects, clips_template) as made:
        yield made


@pytest.fixture(scope="session")
def system(request: pytest.FixtureRequest) -> Iterator[System]:
    """The whole hybrid, shared by tests that bring their own people; on the Supabase that the environment names."""
    if is_external():
        project = external_project()
        with backend(project.database, project.supabase) as running:
            readiness(running.api_url)
            yield running
        return
    projects: LocalPostgres = request.getfixturevalue("projects")
    with (
        cloned(projects) as made,
        supabase_on(projects, made.name) as supabase,
        backend(made, supabase) as running,
    ):
        readiness(running.api_url)  # from then on it stays ready
        yield running
