"""API keys: which key stands for which role, and which header wins."""

from collections.abc import AsyncIterator

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from support.people import Person
from support.sockets import bare_socket
from support.stack import SupabaseStack

pytestmark = pytest.mark.anyio

ADMIN, USER = "/auth/v1/admin/users", "/auth/v1/user"


@pytest.fixture
async def bare(stack: SupabaseStack) -> AsyncIterator[httpx.AsyncClient]:
    """A client that sends no key by itself."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=30) as client:
        yield client


async def test_a_secret_key_is_the_service_role(bare: httpx.AsyncClient, stack: SupabaseStack) -> None:
    headers = {"apikey": stack.secret_key}
    assert (await bare.get(ADMIN, headers=headers)).status_code == 200


async def test_a_secret_key_repeated_as_bearer_is_the_service_role(
    bare: httpx.AsyncClient, stack: SupabaseStack
) -> None:
    headers = {"apiKey": stack.secret_key, "Authorization": f"Bearer {stack.secret_key}"}
    assert (await bare.get(ADMIN, headers=headers)).status_code == 200


async def test_a_secret_key_as_bearer_alone_is_no_token(
    bare: httpx.AsyncClient, stack: SupabaseStack
) -> None:
    answer = await bare.get(ADMIN, headers={"Authorization": f"Bearer {stack.secret_key}"})
    assert (answer.status_code, answer.json()["error_code"]) == (403, "bad_jwt")


async def test_a_users_token_wins_over_the_key(
    bare: httpx.AsyncClient, stack: SupabaseStack, person: Person
) -> None:
    headers = {"apikey": stack.secret_key, "Authorization": f"Bearer {person.token}"}
    assert (await bare.get(USER, headers=headers)).json()["id"] == person.id
    assert (await bare.get(ADMIN, headers=headers)).status_code == 403


async def test_a_publishable_key_is_nobody(bare: httpx.AsyncClient, stack: SupabaseStack) -> None:
    answer = await bare.get(USER, headers={"apikey": stack.publishable_key})
    assert (answer.status_code, answer.json()["error_code"]) == (403, "bad_jwt")


async def test_an_unknown_key_opens_nothing(bare: httpx.AsyncClient) -> None:
    answer = await bare.get(ADMIN, headers={"apikey": "sb_secret_of_somebody_else"})
    assert answer.status_code == 403


async def test_a_browser_may_not_use_a_secret_key(bare: httpx.AsyncClient, stack: SupabaseStack) -> None:
    headers = {"apikey": stack.secret_key, "User-Agent": "Mozilla/5.0"}
    assert (await bare.get(ADMIN, headers=headers)).status_code == 401


@pytest.mark.parametrize("key", ["sb_publishable_unknown", "nonsense"])
async def test_a_websocket_without_a_good_key_is_refused_with_a_reason(
    stack: SupabaseStack, key: str
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with bare_socket(stack, key=key):
            pass
    assert refused.value.response.status_code == 401
    assert b"The token provided is not a valid JWT" in (refused.value.response.body or b"")
