"""The wallet as it was, statements and books: from the rows alone, and what they say adds up."""

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import httpx
import pytest

from infrastructure.postgres.books import PostgresBooks
from infrastructure.postgres.connections import create_pool
from support.accounts import Account, is_problem, open_account, sign_ups
from support.backend import System, api, backend
from support.database import Database
from support.stack import supabase_on

pytestmark = pytest.mark.anyio

FORMULA = "=HYPERLINK(1)"


@pytest.fixture
async def client(system: System) -> Any:
    """The backend."""
    async with api(system) as made:
        yield made


async def people(system: System) -> tuple[Account, Account, Account]:
    async with sign_ups(system.supabase) as http:
        return (
            await open_account(system.database, http, "10.00"),
            await open_account(system.database, http),
            await open_account(system.database, http, role="admin"),
        )


async def pay(
    client: httpx.AsyncClient, one: Account, other: Account, amount: str, note: str, key: str
) -> str:
    """When the payment was made."""
    body = {"recipient_id": other.id, "amount": amount, "note": note}
    answer = await client.post("/wallet/transfers", json=body, headers=one.headers(key))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["transaction"]["created_at"])


async def read(client: httpx.AsyncClient, who: Account, path: str, **query: str) -> httpx.Response:
    return await client.get(path, params=query, headers=who.headers())


async def test_a_wallet_is_read_as_it_was(system: System, client: httpx.AsyncClient) -> None:
    one, other, _ = await people(system)
    first = await pay(client, one, other, "1.005", "a", "a")
    second = await pay(client, one, other, "2", "b", "b")

    states = [
        (await read(client, one, "/wallet", at=at)).json() for at in ("2020-01-01T00:00:00Z", first, second)
    ]

    assert [(state["balance"], state["version"]) for state in states] == [
        ("0.00", 0),
        ("8.995", 2),
        ("6.995", 3),
    ]
    assert {state["epoch"] for state in states} == {1}


async def test_a_statement_adds_up(system: System, client: httpx.AsyncClient) -> None:
    one, other, _ = await people(system)
    first = await pay(client, one, other, "1.005", "a", "a")
    await pay(client, other, one, "0.5", "b", "b")

    whole = (await read(client, one, "/wallet/statement")).json()
    part = (await read(client, one, "/wallet/statement", **{"from": first})).json()

    for statement, opening in ((whole, "0.00"), (part, "10.00")):
        assert statement["opening_balance"] == opening
        moved = sum(Decimal(row["amount"]) for row in statement["items"])
        assert Decimal(statement["closing_balance"]) == Decimal(opening) + moved
        assert moved == sum(map(Decimal, statement["totals"].values()))
    assert whole["totals"] == {"opening": "10.00", "transfer_in": "0.50", "transfer_out": "-1.005"}
    assert part["closing_balance"] == "9.495"


@pytest.fixture
def alone(database: Database) -> Iterator[System]:
    """A system of the test's own, whose rows may be made old."""
    with supabase_on(database.cluster, database.name) as supabase, backend(database, supabase) as running:
        yield running


async def test_a_month_of_statements_adds_up_to_the_balance(alone: System) -> None:
    async with api(alone) as client:
        await _live_a_month(alone, client)


async def _live_a_month(system: System, client: httpx.AsyncClient) -> None:
    one, other, _ = await people(system)
    for number, amount in enumerate(("1.005", "0.0001", "2", "0.99", "0.5")):
        await pay(client, one, other, amount, "n", f"there {number}")
        await pay(client, other, one, "0.0001", "n", f"back {number}")
    month = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(32)]
    # Every third day a row, the first of them at the very moment at which a day begins.
    await _unguarded(
        system,
        "update public.wallet_transactions set created_at = "
        "timestamptz '2026-01-02T00:00:00Z' + (version - 1) * interval '2 days 17 hours' "
        f"where user_id = '{one.id}'",
    )

    days = [
        (
            await read(client, one, "/wallet/statement", **{"from": written(since), "until": written(until)})
        ).json()
        for since, until in pairwise(month)
    ]
    ends = [
        (await read(client, one, "/wallet", at=written(until - timedelta(microseconds=1)))).json()
        for until in month[1:]
    ]
    query = {"from": written(month[0]), "until": written(month[-1])}
    whole = (await read(client, one, "/wallet/statement", **query)).json()
    as_csv = await client.get(
        "/wallet/statement", params=query, headers={**one.headers(), "Accept": "text/csv"}
    )

    assert [day["opening_balance"] for day in days[1:]] == [day["closing_balance"] for day in days[:-1]]
    assert [end["balance"] for end in ends] == [day["closing_balance"] for day in days]
    assert [row["version"] for day in days for row in day["items"]] == list(range(1, 12))
    assert [len(day["items"]) for day in days[:2]] == [0, 1]
    assert (whole["opening_balance"], whole["closing_balance"]) == ("0.00", days[-1]["closing_balance"])
    assert whole["items"] == [row for day in days for row in day["items"]]
    for kind, total in whole["totals"].items():
        assert sum(Decimal(day["totals"].get(kind, "0")) for day in days) == Decimal(total)
    first, *rows, last = csv.DictReader(io.StringIO(as_csv.content.decode("utf-8-sig"), newline=""))
    moved = sum(Decimal(row["amount"]) for row in rows)
    assert Decimal(first["balance_after"]) + moved == Decimal(last["balance_after"])
    assert last["balance_after"] == (await read(client, one, "/wallet")).json()["balance"] == "5.5054"


async def test_a_clock_that_was_set_back_leaves_each_row_in_one_period_and_what_was_said_stays(
    alone: System,
) -> None:
    async with api(alone) as client:
        one, other, _ = await people(alone)
        await _at_hours(alone, client, one, other, (0, 2, 1, 3))
        hours = [_hour(number) for number in (0.0, 0.5, 1.5, 2.5, 4.0)]
        at = [(await read(client, one, "/wallet", at=written(hour))).json() for hour in hours]
        periods = [await _period(client, one, since, until) for since, until in pairwise(hours)]

        for number in range(5, 10):
            await _at_hours(alone, client, one, other, (number,))
            assert [(await read(client, one, "/wallet", at=written(hour))).json() for hour in hours] == at
            assert [await _period(client, one, since, until) for since, until in pairwise(hours)] == periods
    assert [row["version"] for period in periods for row in period["items"]] == [1, 2, 3, 4]
    assert [period["opening_balance"] for period in periods[1:]] == [
        period["closing_balance"] for period in periods[:-1]
    ]
    for period in periods:
        moved = sum(Decimal(row["amount"]) for row in period["items"])
        assert Decimal(period["opening_balance"]) + moved == Decimal(period["closing_balance"])


def _hour(number: float) -> datetime:
    return datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(hours=number)


async def _at_hours(
    system: System, client: httpx.AsyncClient, one: Account, other: Account, hours: tuple[int, ...]
) -> None:
    """The newest rows of *one*'s wallet, made where they are missing, are of these *hours*."""
    rows = await system.database.fetch(
        "select id from public.wallet_transactions where user_id = $1::uuid and created_at > $2",
        one.id,
        _hour(24),
    )
    for number in range(len(hours) - len(rows)):
        await pay(client, one, other, "1", "n", f"{hours} {number}")
    for hour in hours:
        await _unguarded(
            system,
            f"update public.wallet_transactions set created_at = '{_hour(hour)}' where id = (select id from "
            f"public.wallet_transactions where user_id = '{one.id}' and created_at > '{_hour(24)}' "
            "order by version limit 1)",
        )


async def _period(client: httpx.AsyncClient, who: Account, since: datetime, until: datetime) -> Any:
    times = {"from": written(since), "until": written(until)}
    return (await read(client, who, "/wallet/statement", **times)).json()


def written(at: datetime) -> str:
    """A time as it is sent."""
    return at.isoformat().replace("+00:00", "Z")


async def test_a_time_without_rows_has_a_balance_all_the_same(
    system: System, client: httpx.AsyncClient
) -> None:
    one, _, _ = await people(system)
    later = datetime.now(UTC) + timedelta(days=1)

    statement = (
        await read(
            client,
            one,
            "/wallet/statement",
            **{"from": f"{later:%Y-%m-%dT%H:%M:%SZ}", "until": "9000-01-01T00:00:00Z"},
        )
    ).json()

    assert (statement["opening_balance"], statement["closing_balance"]) == ("10.00", "10.00")
    assert (statement["items"], statement["totals"]) == ([], {})


async def test_a_statement_opens_in_a_spreadsheet(system: System, client: httpx.AsyncClient) -> None:
    one, other, _ = await people(system)
    await pay(client, one, other, "1.005", FORMULA, "a")
    await pay(client, one, other, "1", 'Mwaramutse, "inshuti"\nyanjye é', "b")

    answer = await client.get("/wallet/statement", headers={**one.headers(), "Accept": "text/csv"})

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["vary"] == "Accept"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    assert answer.content.count(b"\r\n") == 6
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [row["kind"] for row in rows] == [
        *("opening_balance", "opening", "transfer_out", "transfer_out", "closing_balance"),
    ]
    assert [row["balance_after"] for row in rows] == ["0.00", "10.00", "8.995", "7.995", "7.995"]
    assert rows[2]["note"] == f"'{FORMULA}"
    assert rows[3]["note"] == 'Mwaramutse, "inshuti"\nyanjye é'
    assert not any(
        cell.startswith(("=", "+", "@")) or (cell.startswith("-") and column != "amount")
        for row in rows
        for column, cell in row.items()
    )


@pytest.mark.parametrize(
    "query",
    [
        {"from": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"},
        {"from": "yesterday"},
        {"until": "2026-01-01T00:00:00"},
    ],
)
async def test_a_statement_of_no_time_is_refused(
    system: System, client: httpx.AsyncClient, query: dict[str, str]
) -> None:
    one, _, _ = await people(system)
    answer = await read(client, one, "/wallet/statement", **query)
    assert is_problem(answer)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_the_books_sum_to_zero_now_and_then(system: System, client: httpx.AsyncClient) -> None:
    one, other, admin = await people(system)
    at = await pay(client, one, other, "1.005", "a", "a")
    taken = await client.post("/wallet/withdrawals", json={"amount": "2"}, headers=one.headers("w"))
    assert taken.status_code == 201

    now = (await read(client, admin, "/vault/books")).json()
    then = (await read(client, admin, "/vault/books", at=at)).json()

    for books in (now, then):
        assert books["imbalance"] == "0.00"
        assert sum(Decimal(account["total"]) for account in books["accounts"]) == 0
    assert [account["account"] for account in now["accounts"]] == [
        *("wallets", "rewards", "adjustments", "payouts_pending", "payouts_paid", "opening"),
    ]
    totals = {account["account"]: Decimal(account["total"]) for account in now["accounts"]}
    before = {account["account"]: Decimal(account["total"]) for account in then["accounts"]}
    assert totals["payouts_pending"] - before["payouts_pending"] == 2
    assert before["wallets"] - totals["wallets"] == 2


async def test_the_books_are_for_admins(system: System, client: httpx.AsyncClient) -> None:
    one, _, _ = await people(system)
    answer = await read(client, one, "/vault/books")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_days_that_are_over_are_summed_once(alone: System) -> None:
    async with api(alone) as client, create_pool(alone.database.service, 2) as pool:
        one, other, admin = await people(alone)
        await pay(client, one, other, "1.005", "a", "a")
        for table in ("public.wallet_transactions", "private.ledger_entries"):
            await _unguarded(alone, f"update {table} set created_at = {THREE_DAYS_AGO}")
        books = PostgresBooks(pool)

        summed = [await books.sum_day() for _ in range(4)]

        assert summed == [True, True, True, False]
        assert await books.imbalance() == 0
        answer = (await read(client, admin, "/vault/books")).json()
    assert answer["imbalance"] == "0.00"
    [own] = await alone.database.fetch(
        "select sum(amount) as amount from private.ledger_days where account = 'wallets'"
    )
    [rows] = await alone.database.fetch("select sum(amount) as amount from public.wallet_transactions")
    assert own["amount"] == rows["amount"] == Decimal(answer["accounts"][0]["total"])


THREE_DAYS_AGO = "date_trunc('day', now() - interval '1 hour', 'UTC') - interval '60 hours'"
"""A noon: three days are over since then, at any hour. A day is over when it has been so for an hour."""


async def _unguarded(system: System, statement: str) -> None:
    table = statement.split()[1]
    await system.database.fetch(f"alter table {table} disable trigger user")
    await system.database.fetch(statement)
    await system.database.fetch(f"alter table {table} enable trigger user")


async def test_an_adjustment_is_taken_back_over_http(system: System, client: httpx.AsyncClient) -> None:
    one, _, admin = await people(system)
    body = {"kind": "bonus", "amount": "3", "note": "n"}
    given = await client.post(f"/vault/users/{one.id}/transactions", json=body, headers=admin.headers("k"))
    transaction = given.json()["transaction"]["id"]

    path = f"/vault/transactions/{transaction}/reversal"
    answers = [
        await client.post(path, json={"reason": "by mistake"}, headers=admin.headers()) for _ in range(2)
    ]

    assert [answer.status_code for answer in answers] == [201, 200]
    assert answers[0].json() == answers[1].json()
    [row] = answers[0].json()["transactions"]
    assert (row["kind"], row["amount"], row["reference_id"], row["user_id"]) == (
        *("reversal", "-3.00", transaction, one.id),
    )
