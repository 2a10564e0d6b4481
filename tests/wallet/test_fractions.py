"""A sum below a cent goes through the whole system exactly: route, ledger, event, answer."""

from typing import Any

import httpx
import pytest

from support.accounts import open_account, sign_ups
from support.backend import System, api

pytestmark = pytest.mark.anyio


async def test_a_thousandth_is_paid_and_told_exactly(system: System) -> None:
    async with sign_ups(system.supabase) as http, api(system) as client:
        sender = await open_account(system.database, http, "1.00")
        recipient = await open_account(system.database, http, "0.0001")

        paid = await _pay(client, sender.headers("key"), recipient.id)
        received = await client.get("/wallet", headers=recipient.headers())

    assert (paid["balance"], paid["transaction"]["amount"]) == ("0.995", "-0.005")
    assert received.json()["balance"] == "0.0051"
    events = await system.database.fetch(
        "select payload ->> 'amount' as amount, payload ->> 'balance' as balance from private.realtime_outbox "
        "where topic = $1",
        f"user:{recipient.id}",
    )
    assert [tuple(event) for event in events] == [("0.005", "0.0051")]


async def _pay(client: httpx.AsyncClient, headers: dict[str, str], recipient_id: str) -> Any:
    body = {"recipient_id": recipient_id, "amount": "0.005"}
    answer = await client.post("/wallet/transfers", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()
