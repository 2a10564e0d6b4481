"""Somebody with money who pays somebody else, again and again, over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeVar
from uuid import UUID, uuid4

import httpx

from infrastructure.postgres.accounts import OPEN_WITH_BALANCE
from support.backend import System, api
from support.people import Person, sign_up

T = TypeVar("T")
FUNDS = Decimal("50000.00")


@asynccontextmanager
async def off_loop(manager: AbstractContextManager[T]) -> AsyncIterator[T]:
    """Enter and leave *manager* in a thread, so that servers on this loop go on answering meanwhile."""
    made = await asyncio.to_thread(manager.__enter__)
    try:
        yield made
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


@dataclass
class Payer:
    """Two people; the first pays the second a cent with each payment."""

    http: httpx.AsyncClient
    sender: Person
    recipient: Person
    answers: list[int] = field(default_factory=list)

    async def pay(self) -> None:
        """One payment; the status of its last answer is kept.

        As clients do, it sends the same key again where it is told to, but no more than twice: enough for a machine
        that stalls for a moment, and too little for a service that waits for something.
        """
        key = str(uuid4())
        status = await self._send(key)
        for _ in range(2):
            if status in {409, 503}:
                status = await self._send(key)
        self.answers.append(status)

    async def _send(self, key: str) -> int:
        answer = await self.http.post(
            "/wallet/transfers",
            json={"recipient_id": self.recipient.id, "amount": "0.01"},
            headers={"Idempotency-Key": key},
        )
        return answer.status_code

    async def pay_for(self, seconds: float, *, per_second: int) -> int:
        """Pay at a steady rate, whatever the answers; how many payments it was."""
        loop, count = asyncio.get_running_loop(), int(seconds * per_second)
        began = loop.time()
        async with asyncio.TaskGroup() as payments:
            for number in range(count):
                await asyncio.sleep(max(0.0, began + number / per_second - loop.time()))  # the rate
                payments.create_task(self.pay())
        return count


@asynccontextmanager
async def payer(system: System) -> AsyncIterator[Payer]:
    """A payer on *system*, with accounts and funds."""
    headers = {"apikey": system.supabase.publishable_key}
    async with httpx.AsyncClient(base_url=system.supabase.url, headers=headers, timeout=30) as http:
        sender, recipient = await sign_up(http), await sign_up(http)
    for person in (sender, recipient):
        async with api(system, person.token) as http:
            assert (await http.get("/wallet")).status_code == 200
    await system.database.fetch(OPEN_WITH_BALANCE, UUID(sender.id), FUNDS)
    async with api(system, sender.token) as http:
        yield Payer(http, sender, recipient)
