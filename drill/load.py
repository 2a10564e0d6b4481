"""People who use the service all the while: they read, pay and moderate, and never try twice."""

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx

from infrastructure.postgres.accounts import OPEN_WITH_BALANCE
from support.database import Database
from support.people import Person, sign_up
from support.stack import SupabaseStack

PEOPLE = 12
READERS = 6
PAYERS = 4
ENOUGH_FAILURES = 50
FUNDS = Decimal(1000)
PACE_S = 0.03
"""Between one person's requests: a steady load, not the most that the machine can do."""


@dataclass(slots=True)
class Tally:
    """What happened to the requests."""

    requests: int = 0
    slowest: float = 0.0
    failures: list[str] = field(default_factory=list)
    transfers: set[str] = field(default_factory=set)
    decisions: int = 0

    @property
    def hopeless(self) -> bool:
        """Whether enough went wrong to stop here."""
        return len(self.failures) >= ENOUGH_FAILURES


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part: people with money, and a moderator with a post to decide on."""

    people: list[Person]
    moderator: Person
    post: str


async def cast(database: Database, supabase: SupabaseStack, url: str) -> Cast:
    """Sign everybody up, and give them what they need; the moderator's role is an operator's to grant."""
    headers = {"apikey": supabase.publishable_key}
    async with httpx.AsyncClient(base_url=supabase.url, headers=headers, timeout=30) as http:
        *people, moderator = [await sign_up(http) for _ in range(PEOPLE + 1)]
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        for person in (*people, moderator):
            answer = await http.get("/profile", headers=_signed(person))
            answer.raise_for_status()
            await database.fetch(OPEN_WITH_BALANCE, UUID(person.id), FUNDS)
    [post] = await database.fetch(
        "insert into public.posts (author_id, kind, title, language) values ($1, 'text', 'Hi', 'sw') returning id",
        UUID(people[0].id),
    )
    return Cast(people, moderator, str(post["id"]))


class Load:
    """The people at work. Each answer other than the one that is due is a failure."""

    def __init__(self, url: str, actors: Cast, seed: int) -> None:
        self._url = url
        self._actors = actors
        self._random = random.Random(seed)  # noqa: S311 - a drill, not a secret
        self._stopped = False
        self.tally = Tally()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep everybody at work while the block runs; what they are at then is finished."""
        works = [*[self._read] * READERS, *[self._pay] * PAYERS, self._moderate]
        tasks = [asyncio.create_task(self._work(work)) for work in works]
        try:
            yield
        finally:
            self._stopped = True
            await asyncio.gather(*tasks)

    async def until(self, requests: int) -> None:
        """Return once so many requests were made, or enough of them failed."""
        while self.tally.requests < requests and not self.tally.hopeless:  # noqa: ASYNC110 - counted elsewhere
            await asyncio.sleep(0.05)

    async def _work(self, work: Callable[[httpx.AsyncClient], Coroutine[Any, Any, None]]) -> None:
        async with httpx.AsyncClient(base_url=self._url, timeout=30) as http:
            while not self._stopped and not self.tally.hopeless:
                await work(http)

    async def _read(self, http: httpx.AsyncClient) -> None:
        path = self._random.choice(["/wallet", "/profile", "/wallet/transactions?limit=10", "/health/live"])
        await self._ask(http, "GET", path, 200, self._random.choice(self._actors.people))

    async def _pay(self, http: httpx.AsyncClient) -> None:
        sender, recipient = self._random.sample(self._actors.people, 2)
        body = {"recipient_id": recipient.id, "amount": "0.01"}
        headers = {"Idempotency-Key": str(uuid4())}
        answer = await self._ask(http, "POST", "/wallet/transfers", 201, sender, json=body, headers=headers)
        if answer is not None:
            self.tally.transfers.add(answer["transaction"]["id"])

    async def _moderate(self, http: httpx.AsyncClient) -> None:
        """Approve and reject one post in turn; its version is the one of the last answer."""
        listed = await self._ask(
            http, "GET", f"/vault/posts?author_id={self._actors.people[0].id}", 200, self._actors.moderator
        )
        if listed is None:
            return
        version = listed["items"][0]["version"]
        address = f"/vault/posts/{self._actors.post}/validation"
        for status in itertools.cycle(["approved", "rejected"]):
            if self._stopped or self.tally.hopeless:
                return
            decided = await self._ask(
                http,
                *("POST", address, 200, self._actors.moderator),
                json={"status": status, "reason": "drill"},
                headers={"If-Match": f'"{version}"'},
            )
            if decided is None:
                return
            version = decided["version"]
            self.tally.decisions += 1

    async def _ask(
        self,
        http: httpx.AsyncClient,
        method: str,
        path: str,
        due: int,
        person: Person,
        json: Any = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        """Ask once; the body of the answer that is due, or None after a failure."""
        began = time.perf_counter()
        body: Any = None
        try:
            sent = {**_signed(person), **(headers or {})}
            answer = await http.request(method, path, json=json, headers=sent)
            failure = f"{answer.status_code} {answer.text[:80]!r}" if answer.status_code != due else None
            body = answer.json() if failure is None else None
        except httpx.HTTPError as error:
            failure = repr(error)
        self.tally.requests += 1
        self.tally.slowest = max(self.tally.slowest, time.perf_counter() - began)
        if failure is not None:
            self.tally.failures.append(f"{method} {path.partition('?')[0]}: {failure}")
        await asyncio.sleep(PACE_S)
        return body


def _signed(person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.token}"}
