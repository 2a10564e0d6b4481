"""Withdrawals and corrections over HTTP: shapes, statuses, headers."""

from collections.abc import AsyncIterator
from decimal import Decimal

import httpx
import pytest

from support.accounts import Account, open_account, sign_ups, stored
from support.backend import System, api

pytestmark = pytest.mark.anyio


@pytest.fixture
async def http(system: System) -> AsyncIterator[httpx.AsyncClient]:
    async with api(system) as client:
        yield client


async def _account(system: System, balance: str = "0.00", role: str = "user") -> Account:
    async with sign_ups(system.supabase) as sign_up:
        return await open_account(system.database, sign_up, balance, role)


async def test_from_the_hold_to_the_money_back(system: System, http: httpx.AsyncClient) -> None:
    owner, admin = await _account(system, "10.00"), await _account(system, role="admin")

    held = await http.post(
        "/wallet/withdrawals", json={"amount": "4", "note": "rent"}, headers=owner.headers("w")
    )
    again = await http.post(
        "/wallet/withdrawals", json={"note": "rent", "amount": "4.00"}, headers=owner.headers("w")
    )

    assert held.status_code == 201
    told = held.json()
    withdrawal = told["withdrawal"]
    assert withdrawal == {
        "id": withdrawal["id"],
        "user_id": owner.id,
        "amount": "4.00",
        "status": "held",
        "transaction_id": told["transaction"]["id"],
        "settled_by": None,
        "settled_at": None,
        "reason": None,
        "created_at": withdrawal["created_at"],
    }
    assert (told["transaction"]["kind"], told["transaction"]["amount"]) == ("withdrawal", "-4.00")
    assert told["transaction"]["reference_id"] == withdrawal["id"]
    assert (told["balance"], told["version"]) == ("6.00", 2)
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (told, "true")

    path = f"/vault/withdrawals/{withdrawal['id']}/settlement"
    sent = {"outcome": "failed", "reason": "account closed"}
    failed = await http.post(path, json=sent, headers=admin.headers())
    repeated = await http.post(path, json=sent, headers=admin.headers())
    changed = await http.post(path, json={"outcome": "completed"}, headers=admin.headers())

    assert (failed.status_code, failed.json()["status"], failed.json()["settled_by"]) == (
        200,
        "failed",
        admin.id,
    )
    assert (repeated.status_code, repeated.json()) == (200, failed.json())
    assert (changed.status_code, changed.json()["code"]) == (409, "withdrawal_already_settled")
    assert await stored(system.database, owner) == (Decimal("10.00"), 3)
    mine = await http.get("/wallet/withdrawals?status=failed", headers=owner.headers())
    assert mine.json() == {"items": [failed.json()], "next_cursor": None}


async def test_the_queue_is_paged_oldest_first_for_admins(system: System, http: httpx.AsyncClient) -> None:
    owner, admin = await _account(system, "10.00"), await _account(system, role="admin")
    made = [
        (
            await http.post("/wallet/withdrawals", json={"amount": "1"}, headers=owner.headers(str(number)))
        ).json()["withdrawal"]["id"]
        for number in range(3)
    ]

    found: list[str] = []
    address: str | None = "/vault/withdrawals?status=held&limit=2"
    while address is not None:
        page = (await http.get(address, headers=admin.headers())).json()
        found += [item["id"] for item in page["items"]]
        following = page["next_cursor"]
        address = following and f"/vault/withdrawals?status=held&limit=2&cursor={following}"
    refused = await http.get("/vault/withdrawals", headers=owner.headers())

    assert [each for each in found if each in made] == made
    assert len(found) == len(set(found))
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_a_correction_answers_with_the_owners_new_balance(
    system: System, http: httpx.AsyncClient
) -> None:
    owner, admin = await _account(system, "10.00"), await _account(system, role="admin")
    path = f"/vault/users/{owner.id}/transactions"
    sent = {"kind": "bonus", "amount": "2.5", "note": "for the poem"}

    booked = await http.post(path, json=sent, headers=admin.headers("b"))
    again = await http.post(path, json=sent, headers=admin.headers("b"))
    reused = await http.post(path, json={**sent, "kind": "refund"}, headers=admin.headers("b"))
    own = await http.post(f"/vault/users/{admin.id}/transactions", json=sent, headers=admin.headers("o"))

    assert booked.status_code == 201
    told = booked.json()
    assert (told["transaction"]["kind"], told["transaction"]["amount"]) == ("bonus", "2.50")
    assert (told["transaction"]["user_id"], told["transaction"]["note"]) == (owner.id, "for the poem")
    assert (told["balance"], told["version"]) == ("12.50", 2)
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (told, "true")
    assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
    assert (own.status_code, own.json()["code"]) == (403, "forbidden")


async def test_a_replayed_refusal_says_so(system: System, http: httpx.AsyncClient) -> None:
    owner = await _account(system, "1.00")

    answers = [
        await http.post("/wallet/withdrawals", json={"amount": "2"}, headers=owner.headers("k"))
        for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [409, 409]
    assert [answer.json()["code"] for answer in answers] == ["insufficient_funds"] * 2
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers] == [None, "true"]


async def test_the_history_is_filtered_by_kind_and_time(system: System, http: httpx.AsyncClient) -> None:
    owner = await _account(system, "10.00")
    held = await http.post("/wallet/withdrawals", json={"amount": "1"}, headers=owner.headers("k"))
    at = held.json()["transaction"]["created_at"]

    async def kinds(query: str) -> list[str]:
        answer = await http.get(f"/wallet/transactions?{query}", headers=owner.headers())
        return [item["kind"] for item in answer.json()["items"]]

    assert await kinds("") == ["withdrawal", "opening"]
    assert await kinds("kind=withdrawal") == ["withdrawal"]
    assert await kinds(f"since={at}") == ["withdrawal"]
    assert await kinds(f"until={at}") == ["opening"]
