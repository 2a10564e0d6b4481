"""The main job, end to end: money moves in the backend, and a listening Supabase client sees the new balance."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from supabase import AsyncClientOptions, acreate_client

from support.backend import System, api
from support.javascript import running
from support.people import PASSWORD, Person
from system.conftest import Enter

pytestmark = pytest.mark.anyio

PRIVATE = {"private": True}


async def pay(system: System, sender: Person, recipient: Person, amount: str) -> httpx.Response:
    async with api(system, sender.token) as client:
        return await client.post(
            "/wallet/transfers",
            json={"recipient_id": recipient.id, "amount": amount},
            headers={"Idempotency-Key": str(uuid4())},
        )


def channel(system: System, person: Person, topic: str) -> dict[str, Any]:
    return {
        "url": system.supabase.url,
        "key": system.supabase.publishable_key,
        "token": person.token,
        "topic": topic,
        "config": PRIVATE,
    }


async def test_supabase_js_receives_the_new_balance(system: System, enter: Enter) -> None:
    sender, recipient = await enter(balance="10.00"), await enter()
    async with running("channel.mjs", **channel(system, recipient, recipient.topic)) as listener:
        assert (await listener.expect("status"))["status"] == "SUBSCRIBED"

        answer = await pay(system, sender, recipient, "2.50")

        message = (await listener.expect("broadcast"))["message"]
    assert answer.status_code == 201
    assert message["event"] == "balance_updated"
    assert message["payload"]["user_id"] == recipient.id
    assert (message["payload"]["balance"], message["payload"]["version"]) == ("2.50", 1)
    assert message["payload"]["kind"] == "transfer_in"


async def test_supabase_py_receives_the_new_balance(system: System, enter: Enter) -> None:
    sender, recipient = await enter(balance="10.00"), await enter()
    options = AsyncClientOptions(auto_refresh_token=False)
    client = await acreate_client(system.supabase.url, system.supabase.publishable_key, options)
    await client.auth.sign_in_with_password({"email": recipient.email, "password": PASSWORD})
    subscribed, received = asyncio.Event(), asyncio.Queue[Any]()
    topic = client.channel(
        recipient.topic,
        {"config": {"private": True, "broadcast": None, "presence": None}},
    )
    topic.on_broadcast("balance_updated", received.put_nowait)
    await topic.subscribe(lambda state, _: subscribed.set() if state == "SUBSCRIBED" else None)
    try:
        await asyncio.wait_for(subscribed.wait(), 30)

        await pay(system, sender, recipient, "4")

        message = await asyncio.wait_for(received.get(), 30)
    finally:
        await client.realtime.close()
        await client.auth.close()
    assert (message["payload"]["balance"], message["payload"]["version"]) == ("4.00", 1)


async def test_a_third_user_can_not_listen_even_when_the_app_opens_every_topic(
    system: System, enter: Enter
) -> None:
    owner, stranger = await enter(), await enter()
    await system.database.fetch(
        "create policy app_opens_everything on realtime.messages for all to authenticated, anon "
        "using (true) with check (true)"
    )
    try:
        async with running("channel.mjs", **channel(system, stranger, owner.topic)) as listener:
            refused = await listener.expect("status")
    finally:
        await system.database.fetch("drop policy app_opens_everything on realtime.messages")
    assert refused["status"] == "CHANNEL_ERROR"
    assert "permissions" in refused["error"]


async def test_nobody_but_the_backend_sends_on_a_users_topic(system: System, enter: Enter) -> None:
    sender, owner = await enter(balance="1.00"), await enter()
    forged = {
        "topic": owner.topic,
        "event": "balance_updated",
        "payload": {"balance": "999.00"},
        "private": True,
    }
    headers = {"apikey": system.supabase.publishable_key}
    async with (
        running("channel.mjs", **channel(system, owner, owner.topic)) as listener,
        httpx.AsyncClient(base_url=system.supabase.url, headers=headers, timeout=30) as anon,
    ):
        assert (await listener.expect("status"))["status"] == "SUBSCRIBED"
        await anon.post("/realtime/v1/api/broadcast", json={"messages": [forged]})
        await listener.do("send", name="balance_updated", payload={"balance": "999.00"})

        await pay(system, sender, owner, "1")

        first = (await listener.expect("broadcast"))["message"]
    assert first["payload"]["balance"] == "1.00"


async def test_an_approval_reaches_its_author_with_the_reward(system: System, enter: Enter) -> None:
    author, moderator, user = await enter(), await enter(role="moderator"), await enter()
    await system.database.fetch(
        "insert into private.reward_rates (action, amount) values ('post_approved', 5) "
        "on conflict (action) do update set amount = excluded.amount"
    )
    [made] = await system.database.fetch(
        "insert into public.posts (author_id, kind, title, language) "
        "values ($1::text::uuid, 'text', 'Hi', 'sw') returning id",
        author.id,
    )
    address = f"/vault/posts/{made['id']}/validation"
    async with (
        running("channel.mjs", **channel(system, author, author.topic)) as listener,
        api(system, moderator.token) as vault,
        api(system, user.token) as outsider,
    ):
        assert (await listener.expect("status"))["status"] == "SUBSCRIBED"
        refused = await outsider.post(address, json={"status": "approved"}, headers={"If-Match": '"1"'})

        approved = await vault.post(address, json={"status": "approved"}, headers={"If-Match": '"1"'})

        messages = [(await listener.expect("broadcast"))["message"] for _ in range(2)]
        queue = await vault.get("/vault/posts", params={"author_id": author.id})
    by_event = {message["event"]: message["payload"] for message in messages}
    assert refused.json()["code"] == "forbidden"
    assert approved.json()["validation_status"] == "approved"
    assert by_event["balance_updated"]["balance"] == "5.00"
    assert (
        by_event["post_validation_changed"]["status"],
        by_event["post_validation_changed"]["version"],
    ) == (
        "approved",
        2,
    )
    assert [post["validation_status"] for post in queue.json()["items"]] == ["approved"]
