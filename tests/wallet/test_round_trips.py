"""What every route costs in round trips to its database, counted on the wire: the routes come from the document."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from support.accounts import Account, open_account, sign_ups
from support.database import Database
from support.documents import ROOT
from support.stack import SupabaseStack
from wallet.test_faults import Line, line_to, supabase

__all__ = ["supabase"]
pytestmark = pytest.mark.anyio

OPENAPI = json.loads((ROOT / "docs" / "openapi.json").read_text())
ROUTES = {
    f"{method.upper()} {path}"
    for path, routes in OPENAPI["paths"].items()
    for method in routes
    if not path.startswith("/health/")  # it looks at the database at a pace of its own
}


@dataclass(frozen=True, slots=True)
class Cost:
    """How many statements a route costs once its caller is known and its statements are prepared, and the last one."""

    statements: int
    last: str = "(prepared)"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: who sends it, and what."""

    who: Account
    method: str
    path: str
    body: Mapping[str, str] | None = None
    key: str | None = None
    seen: str | None = None


READ, LIST, PAID = Cost(1), Cost(2), Cost(4, "commit")
KEPT = Cost(5, "commit")
COSTS = {
    "GET /profile": READ,
    "GET /wallet": READ,
    "GET /wallet?at=": READ,
    "GET /wallet/statement": READ,
    "GET /wallet/transactions": READ,
    "GET /wallet/withdrawals": READ,
    "POST /wallet/transfers": PAID,  # BEGIN, claim and lock, write, COMMIT
    "POST /wallet/transfers again": Cost(4, "rollback"),  # BEGIN, claim, the earlier answer, ROLLBACK
    "POST /wallet/withdrawals": PAID,
    "GET /vault/posts": LIST,  # who asks, the page
    "GET /vault/posts/counts": LIST,
    "GET /vault/posts/{post_id}": LIST,
    "GET /vault/users": Cost(5, "commit;"),  # who asks, BEGIN, a plan of its own, the page, COMMIT
    "GET /vault/users/{user_id}": LIST,
    "GET /vault/reward-rates": LIST,
    "GET /vault/audit-log": LIST,
    "GET /vault/approvals": LIST,
    "GET /vault/withdrawals": LIST,
    "GET /vault/books": READ,  # who asks, and the books for who may
    "GET /vault/books?at=": READ,
    "POST /vault/posts/{post_id}/validation": KEPT,  # BEGIN, lock caller and post, read, write, COMMIT
    "PUT /vault/users/{user_id}/role": KEPT,
    "PUT /vault/users/{user_id}/ban": KEPT,
    "DELETE /vault/users/{user_id}/ban": KEPT,
    "PUT /vault/reward-rates/{action}": KEPT,
    "POST /vault/users/{user_id}/transactions": KEPT,  # BEGIN, lock the caller, claim, write, COMMIT
    "POST /vault/withdrawals/{withdrawal_id}/settlement": KEPT,
    "POST /vault/withdrawals/{withdrawal_id}/settlement failed": KEPT,
    "POST /vault/transactions/{transaction_id}/reversal": KEPT,
    "POST /vault/approvals/{approval_id}": KEPT,
}


@pytest.fixture
async def line(supabase: tuple[Database, SupabaseStack]) -> AsyncIterator[Line]:
    async with line_to(*supabase, lingualink_second_admin_above="5.00") as made:
        yield made


def test_every_route_has_its_cost() -> None:
    assert {" ".join(name.partition("?")[0].split()[:2]) for name in COSTS} == ROUTES


async def test_each_route_costs_what_it_says(line: Line) -> None:
    costs = {}
    for name, requests in (await _requests(line)).items():
        for asked in requests:
            costs[name] = await _cost(line, asked)

    assert costs == COSTS


GROWING = (
    *("public.profiles", "public.posts", "public.wallets", "public.wallet_transactions"),
    *("public.wallet_withdrawals", "private.ledger_entries", "private.idempotency_keys"),
    *("private.realtime_outbox", "private.audit_log", "private.approvals", "private.bans"),
)


async def test_no_transaction_reads_a_whole_table_even_where_it_was_planned_while_the_table_was_small(
    line: Line,
) -> None:
    requests = await _requests(line)
    await line.database.fetch("analyze")
    last, *others = (one for both in requests.values() for one in both if one.method != "GET")
    await _ask(line, last)
    before = await _whole_reads(line, last)

    for asked in others:
        await _ask(line, asked)

    assert await _whole_reads(line, last) == before


async def _whole_reads(line: Line, retried: Asked) -> dict[str, int]:
    """How often each table was read whole; a server process says so with a request after a second without one."""
    await asyncio.sleep(1.1)
    await _ask(line, retried)
    await asyncio.sleep(0.1)
    rows = await line.database.fetch(
        "select relid::regclass::text as name, seq_scan from pg_stat_user_tables "
        "where relid = any ($1::text[]::regclass[])",
        GROWING,
    )
    assert len(rows) == len(GROWING)
    return {row["name"]: row["seq_scan"] for row in rows}


async def _cost(line: Line, asked: Asked) -> Cost:
    """What *asked* costs, to the end of its transaction: the backend has one connection, which the next read gets."""
    await _ask(line, Asked(line.payer, "GET", "/wallet"))
    line.proxy.statements.clear()
    await _ask(line, asked)
    await _ask(line, Asked(line.payer, "GET", "/wallet"))
    # The doorbell of other relays has a connection of its own.
    *own, _ = (text.lower() for text in line.proxy.statements if not text.startswith(("notify", "select 1")))
    return Cost(len(own), own[-1])


async def _ask(line: Line, asked: Asked) -> Any:
    headers = asked.who.headers(asked.key) | ({} if asked.seen is None else {"If-Match": asked.seen})
    answer = await line.http.request(asked.method, asked.path, json=asked.body, headers=headers)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


async def _requests(line: Line) -> dict[str, Sequence[Asked]]:
    """Two requests to each route: the first prepares its statements, the second counts."""
    admin, payer, payee = line.admin, line.payer, line.payee
    async with sign_ups(line.supabase) as http:
        second = await open_account(line.database, http, role="admin")
        staff = [await open_account(line.database, http) for _ in range(2)]
    transfer = {"recipient_id": payee.id, "amount": "1.00"}
    held = [
        (await _ask(line, Asked(payer, "POST", "/wallet/withdrawals", {"amount": "1.00"}, f"held {n}")))[
            "withdrawal"
        ]
        for n in range(4)
    ]
    posts = [await _post(line) for _ in range(2)]
    path = f"/vault/users/{payee.id}/transactions"
    bonus = {"kind": "bonus", "amount": "1.00", "note": "n"}
    given = [
        (await _ask(line, Asked(admin, "POST", path, bonus, f"given {n}")))["transaction"]["id"]
        for n in range(2)
    ]
    large = {**bonus, "amount": "6.00"}
    approvals = [(await _ask(line, Asked(admin, "POST", path, large, f"large {n}")))["id"] for n in range(2)]
    at = "2026-01-01T00:00:00Z"
    reads = {
        **{f"GET {path}": (payer, path) for path in ("/profile", "/wallet", "/wallet/statement")},
        **{f"GET /wallet/{name}": (payer, f"/wallet/{name}") for name in ("transactions", "withdrawals")},
        "GET /wallet?at=": (payer, f"/wallet?at={at}"),
        **{
            f"GET /vault/{name}": (admin, f"/vault/{name}")
            for name in (
                *("posts", "posts/counts", "reward-rates", "audit-log", "approvals", "withdrawals", "books"),
            )
        },
        "GET /vault/users": (admin, "/vault/users?query=a"),
        "GET /vault/users/{user_id}": (admin, f"/vault/users/{payer.id}"),
        "GET /vault/posts/{post_id}": (admin, f"/vault/posts/{posts[0]}"),
        "GET /vault/books?at=": (admin, f"/vault/books?at={at}"),
    }
    settlement = "/vault/withdrawals/{withdrawal_id}/settlement"
    return {
        **{name: [Asked(who, "GET", path)] * 2 for name, (who, path) in reads.items()},
        "POST /wallet/transfers": [Asked(payer, "POST", "/wallet/transfers", transfer, key) for key in "ab"],
        "POST /wallet/transfers again": [Asked(payer, "POST", "/wallet/transfers", transfer, "a")] * 2,
        "POST /wallet/withdrawals": [
            Asked(payer, "POST", "/wallet/withdrawals", {"amount": "1.00"}, key) for key in "cd"
        ],
        "POST /vault/posts/{post_id}/validation": [
            Asked(admin, "POST", f"/vault/posts/{post}/validation", {"status": "approved"}, seen='"1"')
            for post in posts
        ],
        "PUT /vault/users/{user_id}/role": [
            Asked(admin, "PUT", f"/vault/users/{one.id}/role", {"role": "moderator"}) for one in staff
        ],
        "PUT /vault/users/{user_id}/ban": [
            Asked(admin, "PUT", f"/vault/users/{one.id}/ban", {"reason": "r"}) for one in staff
        ],
        "DELETE /vault/users/{user_id}/ban": [
            Asked(admin, "DELETE", f"/vault/users/{one.id}/ban") for one in staff
        ],
        "PUT /vault/reward-rates/{action}": [
            Asked(admin, "PUT", "/vault/reward-rates/post_approved", {"amount": amount})
            for amount in ("1", "2")
        ],
        "POST /vault/users/{user_id}/transactions": [Asked(admin, "POST", path, bonus, key) for key in "ef"],
        f"POST {settlement}": [
            Asked(admin, "POST", f"/vault/withdrawals/{one['id']}/settlement", {"outcome": "completed"})
            for one in held[:2]
        ],
        f"POST {settlement} failed": [
            Asked(admin, "POST", f"/vault/withdrawals/{one['id']}/settlement", {"outcome": "failed"})
            for one in held[2:]
        ],
        "POST /vault/transactions/{transaction_id}/reversal": [
            Asked(admin, "POST", f"/vault/transactions/{one}/reversal", {"reason": "r"}) for one in given
        ],
        "POST /vault/approvals/{approval_id}": [
            Asked(second, "POST", f"/vault/approvals/{one}", {"decision": "approved"}) for one in approvals
        ],
    }


async def _post(line: Line) -> UUID:
    [row] = await line.database.fetch(
        "insert into public.posts (author_id, kind, title, language) "
        "values ($1::text::uuid, 'text', 'Hi', 'sw') returning id",
        line.payer.id,
    )
    made: UUID = row["id"]
    return made
