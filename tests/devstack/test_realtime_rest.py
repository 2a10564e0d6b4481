"""Sending by REST: the status table, and what reaches whom."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from devstack.postgres import LocalPostgres
from devstack.supabase import RealtimeLimits
from support.people import Person
from support.sockets import bare_socket
from support.stack import SupabaseStack, supabase_on

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("policies")]

BATCH = "/realtime/v1/api/broadcast"


def message(topic: str, number: int = 1, **more: Any) -> dict[str, Any]:
    return {"topic": topic, "event": "counted", "payload": {"number": number}, "private": True, **more}


@pytest.fixture(scope="module")
def small(cluster: LocalPostgres) -> Iterator[SupabaseStack]:
    """A stand-in whose limits are reached at once."""
    limits = RealtimeLimits(messages_per_second=2, payload_kilobytes=1)
    with supabase_on(cluster, limits=limits) as running:
        yield running


async def test_a_batch_reaches_its_subscriber_as_text_with_the_id_as_meta(
    stack: SupabaseStack, publisher: httpx.AsyncClient, person: Person
) -> None:
    async with bare_socket(stack) as socket:
        assert (await socket.join(person.topic, person.token, private=True))["status"] == "ok"
        batch = {"messages": [message(person.topic, id="first"), message(person.topic, 2)]}
        answer = await publisher.post(BATCH, json=batch)
        frames = [await socket.next("broadcast"), await socket.next("broadcast")]
    assert (answer.status_code, answer.content) == (202, b"")
    assert [frame["payload"] for frame in frames] == [
        {"type": "broadcast", "event": "counted", "payload": {"number": 1}, "meta": {"id": "first"}},
        {"type": "broadcast", "event": "counted", "payload": {"number": 2}},
    ]
    assert frames[0]["topic"] == f"realtime:{person.topic}"


@pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])
async def test_a_single_message_reaches_version_2_as_binary_and_version_1_as_text(
    stack: SupabaseStack, publisher: httpx.AsyncClient, version: str
) -> None:
    async with bare_socket(stack, version, stack.secret_key) as socket:
        await socket.join("room:a/b c", private=True)
        url = f"{BATCH}/room%3Aa%2Fb%20c/events/it%2Fhappened?private=true"
        await publisher.post(url, content=b"\x00\xff", headers={"Content-Type": "application/octet-stream"})
        await publisher.post(url, json={"x": "é"})
        first = (await socket.next("broadcast"))["payload"]
        if version == "2.0.0":
            assert first == {"event": "it/happened", "payload": b"\x00\xff", "meta": None, "binary": True}
            first = (await socket.next("broadcast"))["payload"]
    assert (first["event"], first["payload"]) == ("it/happened", {"x": "é"})


async def test_private_and_public_channels_of_one_topic_never_meet(
    stack: SupabaseStack, publisher: httpx.AsyncClient
) -> None:
    async with bare_socket(stack) as public, bare_socket(stack, key=stack.secret_key) as private:
        await public.join("room:both", private="false")
        await private.join("room:both", private="true")
        secretly, openly = message("room:both", 1), message("room:both", 2, private=False)
        await publisher.post(BATCH, json={"messages": [secretly, openly, openly, secretly]})
        assert [(await public.next("broadcast"))["payload"]["payload"]["number"] for _ in range(2)] == [2, 2]
        assert [(await private.next("broadcast"))["payload"]["payload"]["number"] for _ in range(2)] == [1, 1]


@pytest.mark.parametrize("who", ["anon", "authenticated"])
async def test_a_batch_without_permission_is_accepted_and_dropped(
    stack: SupabaseStack, publisher: httpx.AsyncClient, http: httpx.AsyncClient, person: Person, who: str
) -> None:
    if who == "authenticated":
        http.headers["Authorization"] = f"Bearer {person.token}"
    async with bare_socket(stack) as socket:
        await socket.join(person.topic, person.token, private=True)
        dropped = await http.post(BATCH, json={"messages": [message(person.topic, 1)]})
        single = await http.post(f"{BATCH}/{person.topic}/events/counted?private=true", json={})
        await publisher.post(BATCH, json={"messages": [message(person.topic, 2)]})
        arrived = await socket.next("broadcast")
    assert dropped.status_code == 202
    assert (single.status_code, single.json()) == (403, {"message": "Unauthorized"})
    assert arrived["payload"]["payload"] == {"number": 2}


async def test_a_user_sends_where_the_policy_lets_them(
    stack: SupabaseStack, http: httpx.AsyncClient, person: Person
) -> None:
    async with bare_socket(stack) as socket:
        await socket.join("room:open", person.token, private=True)
        headers = {"Authorization": f"Bearer {person.token}"}
        await http.post(BATCH, json={"messages": [message("room:open")]}, headers=headers)
        assert (await socket.next("broadcast"))["payload"]["payload"] == {"number": 1}


@pytest.mark.parametrize("header", ["", "Bearer nonsense"])
async def test_without_a_good_token_nothing_is_accepted(stack: SupabaseStack, header: str) -> None:
    headers = {"Authorization": header} if header else {}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=30) as client:
        for answer in (
            await client.post(BATCH, json={"messages": []}),
            await client.post(f"{BATCH}/a/events/b", json={}),
        ):
            assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})


BLANK, INVALID = ["can't be blank"], ["is invalid"]


@pytest.mark.parametrize(
    ("messages", "errors"),
    [
        (None, BLANK),
        ([{"topic": "a", "payload": {}}, message("a")], [{"event": BLANK}, {}]),
        ([message("a"), message(" ", payload=[1])], [{}, {"topic": BLANK, "payload": INVALID}]),
        ([message("a", private="yes", id=7)], [{"private": INVALID, "id": INVALID}]),
        ([], BLANK),
        ([message("a"), "text"], INVALID),
        ([message("a", id="1"), message("b", id="1")], [{}, {"id": ["has already been taken"]}]),
    ],
)
async def test_one_malformed_message_refuses_the_whole_batch(
    stack: SupabaseStack, publisher: httpx.AsyncClient, messages: Any, errors: Any
) -> None:
    async with bare_socket(stack, key=stack.secret_key) as socket:
        await socket.join("a", private=True)
        answer = await publisher.post(BATCH, json={} if messages is None else {"messages": messages})
        await publisher.post(BATCH, json={"messages": [message("a", 99)]})
        assert (await socket.next("broadcast"))["payload"]["payload"] == {"number": 99}
    assert (answer.status_code, answer.json()) == (422, {"errors": {"messages": errors}})


async def test_other_bodies_are_refused(publisher: httpx.AsyncClient) -> None:
    single, text = f"{BATCH}/a/events/b", {"Content-Type": "text/plain"}
    too_large = await publisher.post(BATCH, content=b" " * 8_000_001)
    assert too_large.status_code == 413
    assert (await publisher.post(BATCH, content=b"{")).status_code == 400
    assert (await publisher.post(single, content=b"x", headers=text)).status_code == 415
    assert (await publisher.post(single, json=[1])).status_code == 422
    assert (await publisher.post(f"{BATCH}/a/nothing/b", json={})).status_code == 404


async def test_a_topic_that_no_database_can_hold_is_dropped_in_a_batch(
    publisher: httpx.AsyncClient,
) -> None:
    answer = await publisher.post(BATCH, json={"messages": [message("nul\x00")]})
    single = await publisher.post(f"{BATCH}/nul%00/events/x?private=true", json={})
    assert (answer.status_code, single.status_code) == (202, 422)


async def test_payloads_over_the_projects_size_are_refused(small: SupabaseStack) -> None:
    big = {"x": "y" * 1_600}
    async with httpx.AsyncClient(
        base_url=small.url, headers={"apikey": small.secret_key}, timeout=30
    ) as client:
        batch = await client.post(BATCH, json={"messages": [message("a"), message("a", payload=big)]})
        single = await client.post(f"{BATCH}/a/events/b", json=big)
    assert batch.json() == {"errors": {"messages": [{}, {"payload": ["Payload size exceeds tenant limit"]}]}}
    assert single.json() == {"errors": {"payload": ["Payload size exceeds tenant limit"]}}


async def test_the_limit_is_of_messages_and_the_other_headers_are_of_requests(small: SupabaseStack) -> None:
    async with httpx.AsyncClient(
        base_url=small.url, headers={"apikey": small.secret_key}, timeout=30
    ) as client:
        answer = await client.post(BATCH, json={"messages": [message("a")] * 3})
    assert answer.status_code == 429
    assert answer.json() == {"message": "Too many messages to broadcast, please reduce the batch size"}
    assert (answer.headers["x-rate-limit"], answer.headers["x-rate-limit-remaining"]) == ("2", "100")


async def test_a_body_that_is_too_large_has_no_rate_headers(publisher: httpx.AsyncClient) -> None:
    answer = await publisher.post(BATCH, content=b" " * 8_000_001)
    assert answer.status_code == 413
    assert "x-rate-limit" not in answer.headers
