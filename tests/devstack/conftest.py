"""One cluster and one stand-in for the folder, and people on it."""

from collections.abc import AsyncIterator, Iterator

import asyncpg
import httpx
import pytest

from devstack.database import Connection
from devstack.keys import SigningKey
from devstack.postgres import LocalPostgres
from support.external import external_stack, is_external
from support.fidelity import claims, verdict
from support.people import Person, sign_up
from support.stack import SupabaseStack, supabase_on

POLICY = """
create policy "users receive on their own topic" on realtime.messages for select to authenticated
using (topic = 'user:' || (select auth.uid())::text and extension = 'broadcast');
create policy "users send in rooms" on realtime.messages for insert to authenticated
with check (topic like 'room:%' and extension = 'broadcast');
create policy "users receive in rooms" on realtime.messages for select to authenticated
using (topic like 'room:%');
"""
WITHOUT_POLICY = """
drop policy if exists "users receive on their own topic" on realtime.messages;
drop policy if exists "users send in rooms" on realtime.messages;
drop policy if exists "users receive in rooms" on realtime.messages;
"""


@pytest.fixture(scope="session")
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    """The project's own key, for tokens of any lifetime."""
    return SigningKey.load(tmp_path_factory.getbasetemp() / "keys")


@pytest.fixture(scope="session")
def stack(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SupabaseStack]:
    """The stand-in; or the Supabase that the environment names, which then says what of FIDELITY.md is true."""
    if is_external():
        yield external_stack()
        return
    cluster: LocalPostgres = request.getfixturevalue("cluster")
    with supabase_on(cluster, key_folder=tmp_path_factory.getbasetemp() / "keys") as running:
        yield running


@pytest.fixture(scope="session")
async def policies(stack: SupabaseStack) -> AsyncIterator[None]:
    """A person receives on ``user:<id>`` only, and everybody signed in talks in rooms."""
    connection = await asyncpg.connect(stack.database_url)
    try:
        await connection.execute(WITHOUT_POLICY + POLICY)
        yield
        await connection.execute(WITHOUT_POLICY)
    finally:
        await connection.close()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep what became of each test, in all of its forms together."""
    name = report.location[2].split("[")[0]
    if report.when == "call" or report.failed:
        _outcomes[name] = _outcomes.get(name, True) and report.passed


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say of each line of FIDELITY.md whether it is true of the Supabase that the environment names."""
    if is_external():
        terminalreporter.section("devstack/FIDELITY.md on this Supabase")
        for claim in claims():
            terminalreporter.write_line(f"{verdict(claim, _outcomes)} | {claim.text.split(': `')[0]}")


_outcomes: dict[str, bool] = {}


@pytest.fixture
async def database(stack: SupabaseStack) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(stack.database_url)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
async def http(stack: SupabaseStack) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client that sends the publishable key."""
    async with httpx.AsyncClient(
        base_url=stack.url, headers={"apikey": stack.publishable_key}, timeout=30
    ) as client:
        yield client


@pytest.fixture
async def person(http: httpx.AsyncClient) -> Person:
    return await sign_up(http)


@pytest.fixture
async def stranger(http: httpx.AsyncClient) -> Person:
    return await sign_up(http)


@pytest.fixture
async def publisher(stack: SupabaseStack) -> AsyncIterator[httpx.AsyncClient]:
    """The backend: it holds the secret key."""
    async with httpx.AsyncClient(
        base_url=stack.url, headers={"apikey": stack.secret_key}, timeout=30
    ) as client:
        yield client
