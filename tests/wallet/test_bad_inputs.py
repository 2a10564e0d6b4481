"""Whatever is sent to a money route, the answer is a problem document below 500, and no row is written."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
import pytest

from support.accounts import Account, is_problem, open_account, sign_ups, stored
from support.backend import System, api

pytestmark = pytest.mark.anyio

OTHER = "6a4f3f5c-58b4-4a0e-8f3e-0d2b3c1f9a11"


@dataclass(frozen=True, slots=True)
class Bystanders:
    """Who asks, and who must not be touched by it."""

    caller: Account
    other: Account
    admin: Account
    http: httpx.AsyncClient


@pytest.fixture(scope="module")
async def people(system: System) -> AsyncIterator[Bystanders]:
    async with sign_ups(system.supabase) as http, api(system) as client:
        yield Bystanders(
            await open_account(system.database, http, "50.00"),
            await open_account(system.database, http, "5.00"),
            await open_account(system.database, http, role="admin"),
            client,
        )


def body(**changes: Any) -> bytes:
    """A good transfer, but for *changes*; ``None`` takes a field out."""
    fields = {"recipient_id": OTHER, "amount": "1.00", **changes}
    return msgspec.json.encode({name: value for name, value in fields.items() if value is not ...})


def raw(amount: str) -> bytes:
    """A transfer with *amount* as written."""
    return f'{{"recipient_id": "{OTHER}", "amount": {amount}}}'.encode()


@dataclass(frozen=True, slots=True)
class Case:
    """What is sent, and the code that it must get."""

    code: str
    content: bytes = field(default_factory=body)
    headers: dict[str, str | bytes] = field(default_factory=dict)
    status: int = 400


AMOUNTS = {
    "a float": "1.5",
    "an integer": "1",
    "an exponent": '"1e2"',
    "a number with an exponent": "1e2",
    "NaN": '"NaN"',
    "sNaN": '"sNaN"',
    "Infinity": '"Infinity"',
    "-Infinity": '"-Infinity"',
    "an underscore": '"1_000"',
    "a leading space": '" 1"',
    "a trailing space": '"1 "',
    "a trailing newline": '"1\\n"',
    "a plus": '"+1"',
    "a minus": '"-1"',
    "a leading zero": '"01"',
    "two zeros": '"00"',
    "full-width digits": '"１"',  # noqa: RUF001
    "Arabic digits": '"١"',  # noqa: RUF001
    "five decimals": '"1.00000"',
    "a bare point": '"1."',
    "no integer part": '".5"',
    "a comma": '"1,50"',
    "zero": '"0"',
    "zero with places": '"0.00"',
    "minus zero": '"-0"',
    "2^53+1": '"9007199254740993"',
    "2^63": '"9223372036854775808"',
    "one above the limit": '"100000000.00"',
    "400 digits": f'"{"9" * 400}"',
    "5000 digits": f'"{"9" * 5000}"',
    "a boolean": "true",
    "null": "null",
    "a list": '["1"]',
    "an object": '{"amount": "1"}',
    "an empty string": '""',
    "hexadecimal": '"0x10"',
    "a currency": '"$1"',
    "a NUL": '"1\\u0000"',
}

UUIDS = {
    "braces": "{6a4f3f5c-58b4-4a0e-8f3e-0d2b3c1f9a11}",
    "no hyphens": "6a4f3f5c58b44a0e8f3e0d2b3c1f9a11",
    "a URN": "urn:uuid:6a4f3f5c-58b4-4a0e-8f3e-0d2b3c1f9a11",
    "upper case": "6A4F3F5C-58B4-4A0E-8F3E-0D2B3C1F9A11",
    "nil": "00000000-0000-0000-0000-000000000000",
    "a trailing newline": "6a4f3f5c-58b4-4a0e-8f3e-0d2b3c1f9a11\n",
    "a trailing NUL": "6a4f3f5c-58b4-4a0e-8f3e-0d2b3c1f9a11\x00",
    "path dots": "../6a4f3f5c-58b4-4a0e-8f3e-0d2b3c1f9a11",
    "5 KB": "6a4f3f5c-" * 570,
    "a Clerk id": "user_2abcdefghijklmnopqrstuvwxyz",
    "empty": "",
    "a number": 7,
    "null": None,
}

BODIES = {
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "a string": b'"x"',
    "a number": b"1",
    "a trailing comma": b'{"recipient_id": "%s", "amount": "1",}' % OTHER.encode(),
    "a BOM": b"\xef\xbb\xbf" + body(),
    "invalid UTF-8": body()[:-1] + b', "note": "\xff"}',
    "a lone surrogate": body()[:-1] + b', "note": "\\ud800"}',
    "a NUL": body()[:-1] + b', "note": "\\u0000"}',
    "deep nesting": b'{"note": ' + b"[" * 7000 + b"]" * 7000 + b"}",
    "a field twice": body()[:-1] + b', "amount": "2"}',
    "two documents": body() + body(),
    "cut off": body()[:-2],
    "NaN": b'{"recipient_id": NaN}',
    "UTF-16": body().decode().encode("utf-16"),
    **{
        f"an unknown field {name}": body(**{name: "x"})
        for name in ("role", "balance", "user_id", "status", "kind", "id", "version")
    },
    "no amount": body(amount=...),
    "no recipient": body(recipient_id=...),
    "a note that is too long": body(note="x" * 501),
    "an empty note": body(note=""),
    "a note that is a number": body(note=1),
}

KEYS: dict[str, bytes] = {
    "empty": b"",
    "an empty string": b'""',
    "256 characters": b"k" * 256,
    "256 quoted characters": b'"' + b"k" * 256 + b'"',
    "8 KB": b"k" * 8000,
    "non-ASCII": "clé".encode(),
    "an unterminated string": b'"abc',
    "a bad escape": b'"a\\b"',
    "a quote inside": b'"a"b"',
}

TYPES = {
    "text": "text/plain",
    "a form": "application/x-www-form-urlencoded",
    "UTF-16": "application/json; charset=utf-16",
    "a list": "application/json, application/json",
    "XML": "application/xml",
    "nothing sensible": "json",
}

CASES = {
    **{f"amount: {name}": Case("invalid_amount", raw(text)) for name, text in AMOUNTS.items()},
    **{
        f"recipient: {name}": Case("invalid_request", body(recipient_id=value))
        for name, value in UUIDS.items()
    },
    **{f"body: {name}": Case("invalid_request", content) for name, content in BODIES.items()},
    **{
        f"key: {name}": Case("idempotency_key_invalid", headers={"Idempotency-Key": key})
        for name, key in KEYS.items()
    },
    **{
        f"type: {name}": Case("unsupported_media_type", headers={"Content-Type": kind}, status=415)
        for name, kind in TYPES.items()
    },
    "body: 2 MB": Case("body_too_large", body(note="x" * 2_000_000), status=413),
    "body: 20 000 deep": Case(
        "body_too_large", b'{"note": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", status=413
    ),
}


async def _keys(system: System) -> int:
    [row] = await system.database.fetch("select count(*) from private.idempotency_keys")
    return int(row[0])


@pytest.mark.parametrize("name", CASES)
async def test_a_bad_transfer_is_refused_and_leaves_nothing(
    system: System, people: Bystanders, name: str
) -> None:
    case = CASES[name]
    before = await stored(system.database, people.caller), await _keys(system)
    usual = {"Content-Type": "application/json", **people.caller.headers("key")}
    sent: dict[bytes, bytes] = {
        name.encode(): value if isinstance(value, bytes) else value.encode()
        for name, value in {**usual, **case.headers}.items()
    }

    answer = await people.http.post("/wallet/transfers", content=case.content, headers=sent)

    assert is_problem(answer), answer.text
    assert (answer.status_code, answer.json()["code"]) == (case.status, case.code)
    assert (await stored(system.database, people.caller), await _keys(system)) == before


async def test_a_withdrawal_is_refused_below_a_cent(people: Bystanders) -> None:
    refused = await people.http.post(
        "/wallet/withdrawals", json={"amount": "1.005"}, headers=people.caller.headers("key")
    )

    assert is_problem(refused)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_amount")


@pytest.mark.parametrize("name", AMOUNTS)
@pytest.mark.parametrize("route", ["withdrawal", "bonus"])
async def test_every_route_refuses_the_same_amounts(
    system: System, people: Bystanders, route: str, name: str
) -> None:
    caller, path, fields = {
        "withdrawal": (people.caller, "/wallet/withdrawals", ""),
        "bonus": (
            people.admin,
            f"/vault/users/{people.other.id}/transactions",
            '"kind": "bonus", "note": "n", ',
        ),
    }[route]
    before = await stored(system.database, people.caller), await stored(system.database, people.other)

    answer = await people.http.post(
        path,
        content=f'{{{fields}"amount": {AMOUNTS[name]}}}'.encode(),
        headers={"Content-Type": "application/json", **caller.headers("key")},
    )

    assert is_problem(answer)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_amount")
    after = await stored(system.database, people.caller), await stored(system.database, people.other)
    assert after == before


@pytest.mark.parametrize(
    "path", ["/wallet/transfers", "/wallet/withdrawals", f"/vault/users/{OTHER}/transactions"]
)
async def test_a_money_route_without_a_key_is_refused(people: Bystanders, path: str) -> None:
    fields = {
        "/wallet/transfers": {"recipient_id": OTHER, "amount": "1"},
        "/wallet/withdrawals": {"amount": "1"},
    }.get(path, {"kind": "bonus", "amount": "1", "note": "n"})

    answer = await people.http.post(path, json=fields, headers=people.admin.headers())

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")


async def test_two_keys_are_no_key(people: Bystanders) -> None:
    headers = [*people.caller.headers().items(), ("Idempotency-Key", "a"), ("Idempotency-Key", "b")]

    answer = await people.http.post(
        "/wallet/transfers", json={"recipient_id": OTHER, "amount": "1"}, headers=headers
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_invalid")


async def test_the_bare_and_the_quoted_spelling_are_one_key(system: System, people: Bystanders) -> None:
    async with sign_ups(system.supabase) as http:
        payer = await open_account(system.database, http, "5.00")
    sent = {"recipient_id": people.other.id, "amount": "1"}

    first = await people.http.post("/wallet/transfers", json=sent, headers=payer.headers("one key"))
    again = await people.http.post("/wallet/transfers", json=sent, headers=payer.headers('"one key"'))

    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json() == first.json()


@pytest.mark.parametrize("value", [*(v for v in UUIDS.values() if isinstance(v, str) and v), "%00", "%2e%2e"])
@pytest.mark.parametrize(
    "path",
    ["/vault/withdrawals/{}/settlement", "/vault/users/{}/transactions"],
)
async def test_an_id_in_a_path_has_one_spelling(people: Bystanders, path: str, value: str) -> None:
    url = httpx.URL(str(people.http.base_url)).copy_with(
        raw_path=path.format(value if value.startswith("%") else _quoted(value)).encode()
    )
    fields = {"outcome": "failed"} if "settlement" in path else {"kind": "bonus", "amount": "1", "note": "n"}

    answer = await people.http.post(url, json=fields, headers=people.admin.headers("key"))

    assert is_problem(answer), answer.text
    assert answer.status_code in {400, 404}


def _quoted(value: str) -> str:
    return "".join(
        f"%{byte:02x}" if byte < 0x21 or byte in b"/{}:." else chr(byte) for byte in value.encode()
    )


QUERIES = [
    "limit=0",
    "limit=-1",
    "limit=101",
    "limit=1000000000",
    "limit=9223372036854775808",
    "limit=abc",
    "limit=1.5",
    "limit=",
    "cursor=",
    "cursor=abc",
    "cursor=%00",
    "cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "cursor=" + "A" * 8192,
    "cursor=%ff%fe",
    "kind=gift",
    "status=open",
    "since=yesterday",
    "until=2026-13-01T00:00:00Z",
    "since=2026-01-01T00:00:00",
    "since=0001-01-01T00:00:00%2B14:00",
    "until=9999-12-31T23:59:59-14:00",
]
PAGES = ["/wallet/transactions", "/wallet/withdrawals", "/vault/withdrawals"]
ONLY_OF = {"kind": PAGES[:1], "since": PAGES[:1], "until": PAGES[:1], "status": PAGES[1:]}


@pytest.mark.parametrize(
    ("path", "query"),
    [(path, query) for path in PAGES for query in QUERIES if path in ONLY_OF.get(query.split("=")[0], PAGES)],
)
async def test_a_bad_page_is_refused(people: Bystanders, path: str, query: str) -> None:
    answer = await people.http.get(f"{path}?{query}", headers=people.admin.headers())

    assert is_problem(answer), (answer.status_code, answer.text)
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "query",
    [
        "since=0001-01-01T00:00:00Z",
        "until=9999-12-31T23:59:59Z",
        "limit=1e1",
        "since=0",
        "since=-1e300",
        "limit=1&limit=2",
        "cursor=a&cursor=b",
    ],
)
async def test_an_odd_page_is_no_mistake_of_ours(people: Bystanders, query: str) -> None:
    answer = await people.http.get(f"/wallet/transactions?{query}", headers=people.caller.headers())

    assert answer.status_code in {200, 400}
    assert answer.status_code == 200 or is_problem(answer)


async def test_a_cursor_is_its_callers_and_its_lists_own(system: System, people: Bystanders) -> None:
    async with sign_ups(system.supabase) as http:
        payer = await open_account(system.database, http, "5.00")
    for key in ("a", "b"):
        await people.http.post("/wallet/withdrawals", json={"amount": "1"}, headers=payer.headers(key))
    page = await people.http.get("/wallet/withdrawals?limit=1", headers=payer.headers())
    cursor = page.json()["next_cursor"]

    edited = cursor[:-1] + ("A" if cursor[-1] != "A" else "B")
    refused = [
        await people.http.get(f"/wallet/withdrawals?cursor={cursor}", headers=people.other.headers()),
        await people.http.get(f"/wallet/withdrawals?status=held&cursor={cursor}", headers=payer.headers()),
        await people.http.get(f"/wallet/transactions?cursor={cursor}", headers=payer.headers()),
        await people.http.get(f"/wallet/withdrawals?cursor={edited}", headers=payer.headers()),
        await people.http.get(f"/wallet/withdrawals?cursor={cursor[:-4]}", headers=payer.headers()),
    ]
    taken = await people.http.get(f"/wallet/withdrawals?limit=1&cursor={cursor}", headers=payer.headers())

    assert {(answer.status_code, answer.json()["code"]) for answer in refused} == {(400, "invalid_cursor")}
    assert taken.status_code == 200
