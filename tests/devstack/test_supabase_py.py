"""The real supabase-py against the stand-in."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from realtime import AsyncRealtimeChannel, RealtimeSubscribeStates
from realtime.exceptions import RealtimeHTTPError
from supabase import AsyncClient, AsyncClientOptions, acreate_client
from supabase_auth.errors import AuthApiError

from devstack.database import Connection
from support.people import PASSWORD, Person
from support.stack import SupabaseStack

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("policies")]

WAIT = 30.0

Connect = Callable[[str], Awaitable[AsyncClient]]


@pytest.fixture
async def connect(stack: SupabaseStack) -> AsyncIterator[Connect]:
    """Makes clients with a given key, and closes what they opened."""
    clients = []

    async def made(key: str) -> AsyncClient:
        client = await acreate_client(stack.url, key, AsyncClientOptions(auto_refresh_token=False))
        clients.append(client)
        return client

    yield made
    for client in clients:
        await client.realtime.close()
        await client.auth.close()


@pytest.fixture
async def client(connect: Connect, stack: SupabaseStack) -> AsyncClient:
    return await connect(stack.publishable_key)


@pytest.fixture
async def admin(connect: Connect, stack: SupabaseStack) -> AsyncClient:
    return await connect(stack.secret_key)


async def test_an_account_from_sign_up_to_sign_out(client: AsyncClient, database: Connection) -> None:
    email = f"{uuid.uuid4()}@lingualink.test"
    made = await client.auth.sign_up({"email": email, "password": PASSWORD})
    with pytest.raises(AuthApiError, match="Invalid login credentials") as wrong:
        await client.auth.sign_in_with_password({"email": email, "password": "wrong"})
    entered = await client.auth.sign_in_with_password({"email": email, "password": PASSWORD})
    rotated = await client.auth.refresh_session()
    user = await client.auth.get_user()
    claims = await client.auth.get_claims()
    await client.auth.sign_out()
    assert made.user is not None
    assert (wrong.value.status, wrong.value.code) == (400, "invalid_credentials")
    assert entered.session is not None
    assert rotated.session is not None
    assert entered.session.refresh_token != rotated.session.refresh_token
    assert user is not None
    assert user.user.id == made.user.id
    assert claims is not None
    assert claims["claims"]["sub"] == made.user.id
    query = "select count(*) from auth.sessions where user_id = $1"
    assert await database.fetchval(query, uuid.UUID(made.user.id)) == 0


async def test_an_anonymous_account(client: AsyncClient) -> None:
    entered = await client.auth.sign_in_anonymously()
    assert entered.user is not None
    assert entered.user.is_anonymous


async def test_an_admin_makes_bans_lists_and_deletes_accounts(
    admin: AsyncClient, client: AsyncClient
) -> None:
    email = f"{uuid.uuid4()}@lingualink.test"
    attributes: Any = {"email": email, "password": PASSWORD, "email_confirm": True}
    made = (await admin.auth.admin.create_user(attributes)).user
    assert (await client.auth.sign_in_with_password({"email": email, "password": PASSWORD})).user is not None
    await admin.auth.admin.update_user_by_id(made.id, {"ban_duration": "24h"})
    with pytest.raises(AuthApiError) as banned:
        await client.auth.get_user()
    assert (banned.value.status, banned.value.code) == (403, "user_banned")
    assert made.id in [user.id for user in await admin.auth.admin.list_users()]
    assert (await admin.auth.admin.get_user_by_id(made.id)).user.email == email
    await admin.auth.admin.delete_user(made.id, should_soft_delete=True)
    await admin.auth.admin.delete_user(made.id)
    with pytest.raises(AuthApiError, match="User not found"):
        await admin.auth.admin.get_user_by_id(made.id)


class Listener:
    """A subscribed channel: what it was told, in order."""

    def __init__(self, channel: AsyncRealtimeChannel) -> None:
        self.channel = channel
        self.states: asyncio.Queue[tuple[RealtimeSubscribeStates, Exception | None]] = asyncio.Queue()
        self.messages: asyncio.Queue[Any] = asyncio.Queue()

    async def subscribe(self, event: str) -> RealtimeSubscribeStates:
        self.channel.on_broadcast(event, self.messages.put_nowait)
        await self.channel.subscribe(lambda state, error: self.states.put_nowait((state, error)))
        return await self.state()

    async def state(self) -> RealtimeSubscribeStates:
        return (await asyncio.wait_for(self.states.get(), WAIT))[0]

    async def message(self) -> Any:
        return await asyncio.wait_for(self.messages.get(), WAIT)


async def listener_on(client: AsyncClient, topic: str, token: str) -> Listener:
    await client.realtime.set_auth(token)
    params: Any = {"config": {"private": True, "broadcast": {"ack": False, "self": False}}}
    return Listener(client.channel(topic, params))


async def test_a_private_channel_receives_batch_and_single_broadcasts(
    client: AsyncClient, admin: AsyncClient, publisher: httpx.AsyncClient, person: Person
) -> None:
    listener = await listener_on(client, person.topic, person.token)
    assert await listener.subscribe("counted") == RealtimeSubscribeStates.SUBSCRIBED
    message = {"topic": person.topic, "event": "counted", "payload": {"n": 1}, "private": True, "id": "e1"}
    await publisher.post("/realtime/v1/api/broadcast", json={"messages": [message]})
    batch = await listener.message()
    params: Any = {"config": {"private": True}}
    await admin.channel(person.topic, params).http_send("counted", {"n": 2})
    single = await listener.message()
    assert (batch["payload"], batch["meta"]) == ({"n": 1}, {"id": "e1"})
    assert single["payload"] == {"n": 2}


async def test_another_users_topic_is_refused(client: AsyncClient, person: Person, stranger: Person) -> None:
    listener = await listener_on(client, person.topic, stranger.token)
    assert await listener.subscribe("counted") == RealtimeSubscribeStates.CHANNEL_ERROR


async def test_users_talk_in_a_room(connect: Connect, stack: SupabaseStack, person: Person) -> None:
    one, other = [
        await listener_on(await connect(stack.publishable_key), "room:py", person.token) for _ in range(2)
    ]
    for listener in (one, other):
        assert await listener.subscribe("said") == RealtimeSubscribeStates.SUBSCRIBED
    await one.channel.send_broadcast("said", {"text": "héllo"})
    assert (await other.message())["payload"] == {"text": "héllo"}


async def test_a_user_may_not_send_to_themselves_over_rest(client: AsyncClient, person: Person) -> None:
    params: Any = {"config": {"private": True}}
    with pytest.raises(RealtimeHTTPError) as refused:
        await client.channel(person.topic, params).http_send("counted", {})
    assert refused.value.status == 403
