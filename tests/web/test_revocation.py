"""A session that ends, a user who is banned, deleted or demoted: the next money or vault request knows."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx
import pytest

from support.backend import System, api
from support.people import Person, sign_up
from system.conftest import Enter

pytestmark = pytest.mark.anyio

RATE_PER_S = 20
GRACE_S = 1.0
PATIENCE_S = 30.0

Change = Callable[[System, Person], Awaitable[None]]


async def sign_out(system: System, person: Person) -> None:
    headers = {"apikey": system.supabase.publishable_key, "Authorization": f"Bearer {person.token}"}
    async with httpx.AsyncClient(base_url=system.supabase.url, headers=headers, timeout=30) as auth:
        assert (await auth.post("/auth/v1/logout?scope=global")).status_code == 204


async def end_session(system: System, person: Person) -> None:
    await system.database.fetch(
        "update auth.sessions set not_after = now() - interval '1 second' where user_id = $1", UUID(person.id)
    )


async def ban_here(system: System, person: Person) -> None:
    await system.database.fetch(
        "insert into private.bans (user_id, reason, banned_by) values ($1, 'test', $1)", UUID(person.id)
    )


async def ban_in_auth(system: System, person: Person) -> None:
    async with _admin(system) as auth:
        assert (await auth.put(f"/auth/v1/admin/users/{person.id}", json={"ban_duration": "1h"})).is_success


async def delete(system: System, person: Person) -> None:
    async with _admin(system) as auth:
        assert (await auth.delete(f"/auth/v1/admin/users/{person.id}")).is_success


async def demote(system: System, person: Person) -> None:
    await system.database.fetch(
        "update public.profiles set role = 'user' where id::uuid = $1", UUID(person.id)
    )


def _admin(system: System) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=system.supabase.url, headers={"apikey": system.supabase.secret_key}, timeout=30
    )


@dataclass(frozen=True)
class Sent:
    """One request of the stream: when it began, when it was answered, and how."""

    began: float
    answered: float
    answer: httpx.Response


class Stream:
    """Twenty requests a second, each on its own, for as long as it is entered."""

    def __init__(self, send: Callable[[], Awaitable[httpx.Response]]) -> None:
        self._send = send
        self._sent: list[Sent] = []
        self._arrived = asyncio.Event()

    async def wait_for(self, wanted: Callable[[Sent], bool]) -> list[Sent]:
        """Every answer so far that is *wanted*, once there is one."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := [sent for sent in self._sent if wanted(sent)]):
                self._arrived.clear()
                await self._arrived.wait()
        return found

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Stream"]:
        async with asyncio.TaskGroup() as requests:
            pace = requests.create_task(self._go_on(requests))
            yield self
            pace.cancel()

    async def _go_on(self, requests: asyncio.TaskGroup) -> None:
        while True:
            requests.create_task(self._one())
            await asyncio.sleep(1 / RATE_PER_S)

    async def _one(self) -> None:
        began = time.monotonic()
        answer = await self._send()
        if answer.status_code == 503:
            return  # a machine that is busy with other things: it says nothing of anybody
        self._sent.append(Sent(began, time.monotonic(), answer))
        self._arrived.set()


async def changed_under_load(
    system: System, person: Person, change: Change, send: Callable[[], Awaitable[httpx.Response]]
) -> tuple[list[Sent], list[Sent]]:
    """The requests that were answered before the change began, and those that began a second after its end.

    A request that was under way meanwhile may end either way.
    """
    async with Stream(send).running() as stream:
        before = await stream.wait_for(lambda sent: sent.answered <= time.monotonic())
        await change(system, person)
        done = time.monotonic()
        after = await stream.wait_for(lambda sent: sent.began > done + GRACE_S)
    return before, after


REVOCATIONS = [
    (sign_out, "session_revoked"),
    (end_session, "session_revoked"),
    (delete, "session_revoked"),
    (ban_here, "banned"),
    (ban_in_auth, "banned"),
]


@pytest.mark.parametrize(("change", "code"), REVOCATIONS)
async def test_money_stops_within_a_second(system: System, enter: Enter, change: Change, code: str) -> None:
    person, other = await enter(balance="50.00"), await enter()
    async with api(system, person.token) as client:

        async def pay() -> httpx.Response:
            body = {"recipient_id": other.id, "amount": "0.01"}
            return await client.post(
                "/wallet/transfers", json=body, headers={"Idempotency-Key": str(uuid4())}
            )

        before, after = await changed_under_load(system, person, change, pay)

    assert any(one.answer.status_code == 201 for one in before)
    assert {one.answer.json()["code"] for one in after} == {code}


@pytest.mark.parametrize(("change", "code"), [*REVOCATIONS, (demote, "forbidden")])
async def test_the_vault_shuts_within_a_second(
    system: System, enter: Enter, change: Change, code: str
) -> None:
    person = await enter(role="moderator")
    async with api(system, person.token) as client:
        before, after = await changed_under_load(
            system, person, change, lambda: client.get("/vault/posts?limit=1")
        )

    assert all(one.answer.status_code == 200 for one in before)
    assert {one.answer.json()["code"] for one in after} == {code}


async def test_fifty_first_requests_at_once_make_one_account(system: System) -> None:
    newcomer = await _signed_up(system)
    async with api(system, newcomer.token) as client:
        answers = await asyncio.gather(*(client.get("/profile") for _ in range(50)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1
    [count] = await system.database.fetch(
        "select count(*) from public.profiles where id::uuid = $1", UUID(newcomer.id)
    )
    assert count["count"] == 1


async def _signed_up(system: System) -> Person:
    headers = {"apikey": system.supabase.publishable_key}
    async with httpx.AsyncClient(base_url=system.supabase.url, headers=headers, timeout=30) as supabase:
        return await sign_up(supabase)
