"""One database for the folder, with two backends on it; tests bring their own people."""

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from devstack.keys import SigningKey
from devstack.postgres import LocalPostgres
from support.backend import backend
from support.database import TEMPLATE, cloned
from support.stack import supabase_on
from vault.factories import Factories, Place


@pytest.fixture(scope="session", params=["posts", "clips"])
def place(
    request: pytest.FixtureRequest, projects: LocalPostgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    """Twice: posts are in our table, and then LinguaLink's clips are the posts."""
    template = request.getfixturevalue("clips_template") if request.param == "clips" else TEMPLATE
    keys = tmp_path_factory.mktemp("keys")
    proxies = ["127.0.0.1", "10.0.0.0/8"]
    with (
        cloned(projects, template) as database,
        supabase_on(projects, database.name, key_folder=keys) as supabase,
        backend(database, supabase, lingualink_relay="off") as usual,
        backend(
            database,
            supabase,
            lingualink_relay="off",
            lingualink_vault_requires_mfa=True,
            lingualink_trusted_proxies=proxies,
        ) as strict,
    ):
        issuer = f"{supabase.url}/auth/v1"
        yield Place(
            database, SigningKey.load(keys), issuer, usual.api_url, strict.api_url, request.param == "posts"
        )


@pytest.fixture
async def factories(place: Place) -> AsyncIterator[Factories]:
    platform = await asyncpg.connect(place.database.superuser_url)
    try:
        yield Factories(place, platform)
    finally:
        await platform.close()
