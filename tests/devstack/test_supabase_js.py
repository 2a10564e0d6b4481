"""The real supabase-js, run by Node, against the stand-in."""

import base64
import uuid
from typing import Any

import httpx
import pytest

from devstack.database import Connection
from devstack.keys import SigningKey
from support.javascript import Script, running
from support.people import PASSWORD, Person
from support.stack import SupabaseStack

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("policies")]

BATCH = "/realtime/v1/api/broadcast"
VERSIONS = pytest.mark.parametrize("vsn", ["1.0.0", "2.0.0"])


def channel_options(stack: SupabaseStack, topic: str, token: str | None, **more: Any) -> dict[str, Any]:
    config = {"private": True, "broadcast": {"ack": True}}
    return {
        "url": stack.url,
        "key": stack.publishable_key,
        "topic": topic,
        "token": token,
        "config": config,
    } | more


async def answered(script: Script, command: str, **arguments: Any) -> dict[str, Any]:
    await script.do(command, **arguments)
    return await script.expect(command)


async def test_an_account_from_sign_up_to_sign_out(stack: SupabaseStack, database: Connection) -> None:
    account = {"email": f"{uuid.uuid4()}@lingualink.test", "password": PASSWORD}
    async with running("account.mjs", url=stack.url, key=stack.publishable_key) as script:
        made = await answered(script, "signUp", **account, options={"data": {"name": "Ada"}})
        wrong = await answered(script, "signIn", email=account["email"], password="wrong")
        entered = await answered(script, "signIn", **account)
        claims = await answered(script, "getClaims")
        user = await answered(script, "getUser")
        changed = await answered(script, "updateUser", data={"name": "Grace"})
        rotated = await answered(script, "refresh")
        out = await answered(script, "signOut", scope="global")
        gone = await answered(script, "getUser")
    user_id = made["data"]["user"]["id"]
    assert made["data"]["session"]["expires_in"] == 3600
    assert made["data"]["user"]["user_metadata"]["name"] == "Ada"
    assert wrong["error"] == {
        "status": 400,
        "code": "invalid_credentials",
        "message": "Invalid login credentials",
        "name": "AuthApiError",
    }
    assert claims["data"]["claims"]["session_id"]
    assert claims["data"]["header"]["alg"] == "ES256"
    assert user["data"]["user"]["id"] == user_id
    assert changed["data"]["user"]["user_metadata"]["name"] == "Grace"
    before, after = (told["data"]["session"]["refresh_token"] for told in (entered, rotated))
    assert before != after
    assert out["error"] is None
    assert gone["error"]["name"] == "AuthSessionMissingError"
    query = "select count(*) from auth.sessions where user_id = $1"
    assert await database.fetchval(query, uuid.UUID(user_id)) == 0


async def test_an_anonymous_account(stack: SupabaseStack) -> None:
    async with running("account.mjs", url=stack.url, key=stack.publishable_key) as script:
        entered = await answered(script, "signInAnonymously")
    assert entered["data"]["user"]["is_anonymous"] is True


async def test_a_refused_refresh_token(stack: SupabaseStack) -> None:
    async with running("account.mjs", url=stack.url, key=stack.publishable_key) as script:
        refused = await answered(script, "refresh", refresh_token="unknown")
    assert (refused["error"]["status"], refused["error"]["code"]) == (400, "refresh_token_not_found")


@VERSIONS
async def test_a_private_channel_receives_batch_and_single_broadcasts(
    stack: SupabaseStack, publisher: httpx.AsyncClient, person: Person, vsn: str
) -> None:
    message = {"topic": person.topic, "event": "batch", "payload": {"n": 1}, "private": True, "id": "e1"}
    single = f"{BATCH}/{person.topic}/events/single?private=true"
    octets = {"Content-Type": "application/octet-stream"}
    async with running(
        "channel.mjs", **channel_options(stack, person.topic, person.token, vsn=vsn)
    ) as script:
        assert (await script.expect("status"))["status"] == "SUBSCRIBED"
        await publisher.post(BATCH, json={"messages": [message]})
        batch = (await script.expect("broadcast"))["message"]
        await publisher.post(single, content=b"\x00\xff", headers=octets)
        await publisher.post(single, json={"n": 2})
        if vsn == "2.0.0":
            received = (await script.expect("broadcast"))["message"]
            assert base64.b64decode(received["payload"]["bytes"]) == b"\x00\xff"
        last = (await script.expect("broadcast"))["message"]
        await script.do("leave")
        assert (await script.expect("left"))["result"] == "ok"
    assert (batch["event"], batch["payload"], batch["meta"]) == ("batch", {"n": 1}, {"id": "e1"})
    assert (last["event"], last["payload"]) == ("single", {"n": 2})


@VERSIONS
async def test_another_users_topic_is_refused(
    stack: SupabaseStack, person: Person, stranger: Person, vsn: str
) -> None:
    options = channel_options(stack, person.topic, stranger.token, vsn=vsn)
    async with running("channel.mjs", **options) as script:
        told = await script.expect("status")
    assert told["status"] == "CHANNEL_ERROR"
    assert "You do not have permissions to read from this Channel topic" in told["error"]


@VERSIONS
async def test_users_talk_in_a_room(stack: SupabaseStack, person: Person, stranger: Person, vsn: str) -> None:
    talker = channel_options(stack, "room:js", person.token, vsn=vsn)
    listener = channel_options(stack, "room:js", stranger.token)
    async with running("channel.mjs", **talker) as one, running("channel.mjs", **listener) as other:
        assert (await one.expect("status"))["status"] == "SUBSCRIBED"
        assert (await other.expect("status"))["status"] == "SUBSCRIBED"
        await one.do("send", name="said", payload={"text": "héllo"})
        assert (await one.expect("sent"))["result"] == "ok"
        message = (await other.expect("broadcast"))["message"]
    assert (message["event"], message["payload"]) == ("said", {"text": "héllo"})


async def test_a_send_without_permission_is_dropped(
    stack: SupabaseStack, publisher: httpx.AsyncClient, person: Person
) -> None:
    options = channel_options(stack, person.topic, person.token)
    options["config"]["broadcast"]["self"] = True
    async with running("channel.mjs", **options) as script:
        assert (await script.expect("status"))["status"] == "SUBSCRIBED"
        await script.do("send", name="forged", payload={})
        assert (await script.expect("sent", 40))["result"] == "timed out"
        await script.do("httpSend", name="forged", payload={})
        assert (await script.expect("httpSent"))["result"]["message"] == "Unauthorized"
        message = {"topic": person.topic, "event": "true", "payload": {}, "private": True}
        await publisher.post(BATCH, json={"messages": [message]})
        assert (await script.expect("broadcast"))["message"]["event"] == "true"


async def test_a_channel_closes_when_its_token_expires(
    stack: SupabaseStack, signing_key: SigningKey, person: Person
) -> None:
    token = person.token_lasting(signing_key, seconds=6)
    async with running("channel.mjs", **channel_options(stack, person.topic, token)) as script:
        assert (await script.expect("status"))["status"] == "SUBSCRIBED"
        assert (await script.expect("system"))["message"]["message"].startswith("Token has expired")
        assert (await script.expect("status"))["status"] == "CLOSED"


async def test_a_strangers_token_closes_the_channel(
    stack: SupabaseStack, person: Person, stranger: Person
) -> None:
    async with running("channel.mjs", **channel_options(stack, person.topic, person.token)) as script:
        assert (await script.expect("status"))["status"] == "SUBSCRIBED"
        await script.do("setAuth", token=stranger.token)
        assert "no longer have permission" in (await script.expect("system"))["message"]["message"]
        assert (await script.expect("status"))["status"] == "CLOSED"
