"""Channels on the wire: joining, sending, tokens, and how they end."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from devstack.database import Connection
from devstack.keys import SigningKey
from devstack.postgres import LocalPostgres
from devstack.supabase import RealtimeLimits
from support.people import Person, sign_up
from support.sockets import BareSocket, bare_socket
from support.stack import SupabaseStack, supabase_on

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("policies")]

VERSIONS = pytest.mark.parametrize("version", ["1.0.0", "2.0.0"])


@pytest.fixture(scope="module")
def narrow(cluster: LocalPostgres) -> Iterator[SupabaseStack]:
    """A stand-in with room for little, and without public channels."""
    limits = RealtimeLimits(connections=2, channels_per_connection=1, payload_kilobytes=1)
    with supabase_on(cluster, limits=limits, private_channels_only=True) as running:
        yield running


def push(
    topic: str, event: str, payload: bytes, *, encoding: int, meta: bytes = b"", ref: bytes = b"9"
) -> bytes:
    """A client's broadcast as version 2 sends it, by the published layout of type 3."""
    parts = [b"1", ref, f"realtime:{topic}".encode(), event.encode(), meta]
    return bytes([3, *map(len, parts), encoding]) + b"".join(parts) + payload


@VERSIONS
async def test_heartbeats_are_answered_with_or_without_a_ref(stack: SupabaseStack, version: str) -> None:
    async with bare_socket(stack, version) as socket:
        for ref in ("26", None):
            await socket.send("phoenix", "heartbeat", {}, ref)
            frame = await socket.next("phx_reply")
            assert (frame["ref"], frame["payload"]) == (ref, {"status": "ok", "response": {}})


@VERSIONS
async def test_ones_own_topic_is_joined_and_left(stack: SupabaseStack, person: Person, version: str) -> None:
    async with bare_socket(stack, version) as socket:
        reply = await socket.join(person.topic, person.token, private=True)
        assert reply == {"status": "ok", "response": {"postgres_changes": []}}
        await socket.send(f"realtime:{person.topic}", "phx_leave", {}, "2")
        assert (await socket.next("phx_reply"))["ref"] == "2"
        assert (await socket.next("phx_close"))["ref"] == "1"


@pytest.mark.parametrize("token", ["stranger's", "publishable key", "none"])
async def test_another_users_topic_is_refused(
    stack: SupabaseStack, person: Person, stranger: Person, token: str
) -> None:
    tokens = {"stranger's": stranger.token, "publishable key": stack.publishable_key, "none": None}
    async with bare_socket(stack) as socket:
        reply = await socket.join(person.topic, tokens[token], private=True)
    reason = f"Unauthorized: You do not have permissions to read from this Channel topic: {person.topic}"
    assert reply == {"status": "error", "response": {"reason": reason}}


async def test_a_probe_leaves_nothing_behind(
    stack: SupabaseStack, person: Person, database: Connection
) -> None:
    async with bare_socket(stack) as socket:
        await socket.join("room:probe", person.token, private=True, presence={"enabled": True})
        await socket.next("presence_state")
    assert await database.fetchval("select count(*) from realtime.messages") == 0


async def test_a_bad_token_is_refused_with_its_reason(stack: SupabaseStack, person: Person) -> None:
    async with bare_socket(stack) as socket:
        malformed = await socket.join("room:x", "nonsense", private=True)
        forged = await socket.join("room:x", person.token[:-8] + "AAAAAAAA", private=True)
    assert malformed["response"]["reason"] == "MalformedJWT: The token provided is not a valid JWT"
    assert forged["response"]["reason"] == "JwtSignatureError: Failed to validate JWT signature"


async def test_topics_that_are_none_are_refused(stack: SupabaseStack) -> None:
    async with bare_socket(stack) as socket:
        assert (await socket.join(""))["response"]["reason"].startswith("TopicNameRequired")
        await socket.send("elsewhere", "phx_join", {})
        assert (await socket.next())["payload"]["response"] == {"reason": "unmatched topic"}
        await socket.send("realtime:unjoined", "broadcast", {})
        assert (await socket.next())["payload"]["response"] == {"reason": "unmatched topic"}


async def test_a_second_join_replaces_the_first(stack: SupabaseStack) -> None:
    async with bare_socket(stack) as socket:
        await socket.join("room")
        await socket.send("realtime:room", "phx_join", {"config": {}}, "2")
        joined_again = await socket.next("phx_reply")
        assert (joined_again["ref"], joined_again["payload"]["status"]) == ("2", "ok")
        assert (await socket.next("phx_close"))["ref"] == "1"


async def test_presence_is_empty_and_tables_are_not_watched(stack: SupabaseStack) -> None:
    async with bare_socket(stack) as socket:
        changes = [{"event": "*", "schema": "public"}]
        reply = await socket.join("room", presence={"enabled": True}, postgres_changes=changes)
        assert reply["response"]["postgres_changes"] == [{**changes[0], "id": 1}]
        assert (await socket.next("system"))["payload"]["status"] == "error"
        assert (await socket.next("presence_state"))["payload"] == {}


async def joined(socket: BareSocket, topic: str, token: str | None = None, **broadcast: Any) -> BareSocket:
    reply = await socket.join(topic, token, private=token is not None, broadcast=broadcast)
    assert reply["status"] == "ok", reply
    return socket


async def test_a_broadcast_goes_to_the_others_in_the_form_of_their_version(stack: SupabaseStack) -> None:
    async with bare_socket(stack) as sender, bare_socket(stack) as new, bare_socket(stack, "1.0.0") as old:
        for socket in (sender, new, old):
            await joined(socket, "room:forms", ack=True)
        await sender.send_bytes(push("room:forms", "bytes", b"\x01", encoding=0))
        await sender.send_bytes(push("room:forms", "json", b'{"x":1}', encoding=1, meta=b'{"id":"7"}'))
        text = {"type": "broadcast", "event": "text", "payload": {"y": 2}}
        await sender.send("realtime:room:forms", "broadcast", text)
        binary = [(await new.next("broadcast"))["payload"] for _ in range(2)]
        assert [(one["event"], one["payload"], one["meta"]) for one in binary] == [
            ("bytes", b"\x01", None),
            ("json", {"x": 1}, None),
        ]
        assert (await new.next("broadcast"))["payload"] == text
        as_text = {"type": "broadcast", "event": "json", "payload": {"x": 1}}
        assert (await old.next("broadcast"))["payload"] == as_text
        assert (await old.next("broadcast"))["payload"] == text
        for ref in ("9", "9", "1"):  # the sender itself hears acknowledgements only
            frame = await sender.next("phx_reply")
            assert (frame["ref"], frame["payload"]["status"]) == (ref, "ok")


async def test_who_asks_for_it_receives_their_own(stack: SupabaseStack) -> None:
    async with bare_socket(stack) as socket:
        await joined(socket, "room:self", self="true")
        await socket.send_bytes(push("room:self", "echo", b"{}", encoding=1))
        assert (await socket.next("broadcast"))["payload"]["event"] == "echo"


async def test_sending_without_permission_is_dropped_and_nobody_is_told(
    stack: SupabaseStack, person: Person
) -> None:
    async with bare_socket(stack) as mute, bare_socket(stack) as acknowledged:
        await joined(mute, person.topic, person.token)
        await joined(acknowledged, person.topic, person.token, ack=True)
        for socket in (mute, acknowledged):
            await socket.send_bytes(push(person.topic, "forged", b"{}", encoding=1))
            await socket.send("phoenix", "heartbeat", {}, "after")
            assert (await socket.next())["ref"] == "after"


async def test_a_new_token_is_checked_and_one_that_may_not_read_closes_the_channel(
    stack: SupabaseStack, http: httpx.AsyncClient, person: Person, stranger: Person
) -> None:
    wire = f"realtime:{person.topic}"
    body = {"refresh_token": person.session["refresh_token"]}
    renewed = (await http.post("/auth/v1/token?grant_type=refresh_token", json=body)).json()["access_token"]
    async with bare_socket(stack) as socket:
        await joined(socket, person.topic, person.token)
        for ignored in (None, person.token, stack.publishable_key, renewed):
            await socket.send(wire, "access_token", {"access_token": ignored})
        await socket.send(wire, "access_token", {"access_token": stranger.token})
        system = await socket.next("system")
        closed = await socket.next("phx_close")
    text = f"You no longer have permission to read from this Channel topic: {person.topic}"
    assert system["payload"] == {
        "extension": "system",
        "status": "error",
        "message": text,
        "channel": person.topic,
    }
    assert (closed["ref"], closed["payload"]) == ("1", {})


async def test_an_expired_token_closes_the_channel(
    stack: SupabaseStack, signing_key: SigningKey, person: Person
) -> None:
    async with bare_socket(stack) as socket:
        token = person.token_lasting(signing_key, seconds=4)
        await joined(socket, person.topic, token)
        system = await socket.next("system")
        await socket.next("phx_close")
        again = await socket.join(person.topic, token, private=True)
    assert re.fullmatch(r"Token has expired \d+ seconds ago", system["payload"]["message"])
    assert again["response"]["reason"].startswith("InvalidJWTToken: Token has expired")


async def test_a_renewed_token_keeps_the_channel_open(
    stack: SupabaseStack, signing_key: SigningKey, person: Person, publisher: httpx.AsyncClient
) -> None:
    async with bare_socket(stack) as socket, bare_socket(stack) as clock:
        token = person.token_lasting(signing_key, seconds=4)
        await joined(socket, person.topic, token)
        await joined(clock, "room:clock", token)
        await socket.send(f"realtime:{person.topic}", "access_token", {"access_token": person.token})
        await clock.next("system")  # the old token has expired
        message = {"topic": person.topic, "event": "still", "payload": {}, "private": True}
        await publisher.post("/realtime/v1/api/broadcast", json={"messages": [message]})
        assert (await socket.next("broadcast"))["payload"]["event"] == "still"


async def test_limits_of_connections_channels_and_payloads(narrow: SupabaseStack) -> None:
    headers = {"apikey": narrow.publishable_key}
    async with httpx.AsyncClient(base_url=narrow.url, headers=headers, timeout=30) as http:
        person = await sign_up(http)
    async with bare_socket(narrow) as socket, bare_socket(narrow, key=narrow.secret_key) as second:
        public = await socket.join("room")
        assert public["response"]["reason"] == "PrivateOnly: This project only allows private channels"
        await joined(socket, person.topic, person.token)
        full = await socket.join("room:second", person.token, private=True)
        assert full["response"]["reason"] == "ChannelRateLimitReached: Too many channels"
        await second.join("room:large", private=True, broadcast={"ack": True})
        await second.send_bytes(push("room:large", "large", b"x" * 1_500, encoding=0))
        assert (await second.next("phx_reply"))["payload"]["status"] == "error"
        with pytest.raises(Exception, match="429"):
            async with bare_socket(narrow):
                pass


async def test_a_failing_policy_admits_nobody(
    stack: SupabaseStack, person: Person, database: Connection
) -> None:
    failing = "topic like 'failing:%' and (1 / (length(topic) - length(topic))) = 1"
    await database.execute(
        f'create policy "failing" on realtime.messages for all to authenticated using ({failing})'
    )
    try:
        async with bare_socket(stack) as socket:
            reply = await socket.join("failing:x", person.token, private=True)
    finally:
        await database.execute('drop policy "failing" on realtime.messages')
    assert reply["response"]["reason"].startswith("Unauthorized")
