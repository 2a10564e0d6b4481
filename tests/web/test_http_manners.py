"""HTTP as RFC 9110 and 9112 have it, on every route: what is sent, not how it is spelt, decides."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest

from support.accounts import Account, is_problem, open_account, sign_ups, stored
from support.backend import System, api
from support.raw_http import exchange, request

pytestmark = pytest.mark.anyio

GET_ROUTES = [
    *("/profile", "/wallet", "/wallet/transactions", "/wallet/withdrawals"),
    *("/vault/posts", "/vault/users", "/vault/withdrawals", "/vault/reward-rates", "/vault/audit-log"),
    *("/health/live", "/health/ready", "/schema", "/schema/openapi.json"),
]
WHITE_SPACE = [" {}", "{} ", "{}\t", "\t {} \t", "   {}   "]


@pytest.fixture
async def payer(system: System) -> AsyncIterator[Account]:
    async with sign_ups(system.supabase) as http:
        yield await open_account(system.database, http, "50.00")


@pytest.fixture(scope="module")
async def admin(system: System) -> AsyncIterator[Account]:
    async with sign_ups(system.supabase) as http:
        yield await open_account(system.database, http, role="admin")


@pytest.fixture
async def http(system: System) -> AsyncIterator[httpx.AsyncClient]:
    async with api(system) as client:
        yield client


# --- White space around a header's value


@pytest.mark.parametrize("spelling", WHITE_SPACE)
async def test_white_space_around_a_key_makes_no_second_payment(
    system: System, payer: Account, admin: Account, spelling: str
) -> None:
    body = msgspec.json.encode({"recipient_id": admin.id, "amount": "1.00"})
    token = payer.headers()["Authorization"]
    sent = [
        request(
            "/wallet/transfers",
            f"Idempotency-Key:{key}",
            f"Authorization:{spelling.format(token)}",
            f"Content-Type:{spelling.format('application/json')}",
            method="POST",
            body=body,
        )
        for key in ("k", spelling.format("k"))
    ]

    first, again = [await exchange(system.api_url, one) for one in sent]

    assert (first.status, again.status) == (201, 201)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.body == first.body
    assert (await stored(system.database, payer))[0] == 49


@pytest.mark.parametrize("spelling", WHITE_SPACE)
async def test_white_space_around_a_version_is_no_part_of_it(
    system: System, admin: Account, spelling: str
) -> None:
    body = b'{"status": "approved"}'
    sent = request(
        "/vault/posts/6a4f3f5c-58b4-4a0e-8f3e-0d2b3c1f9a11/validation",
        f"If-Match:{spelling.format(chr(34) + '1' + chr(34))}",
        f"Authorization:{spelling.format(admin.headers()['Authorization'])}",
        "Content-Type: application/json",
        method="POST",
        body=body,
    )

    answer = await exchange(system.api_url, sent)

    assert (answer.status, answer.json()["code"]) == (404, "post_not_found")


# --- Query parameters

PAGES = {
    "/wallet/transactions": ["limit", "cursor", "kind", "since", "until"],
    "/wallet/withdrawals": ["limit", "cursor", "status"],
    "/vault/posts": ["limit", "cursor", "status", "language", "kind", "author_id"],
    "/vault/users": ["limit", "cursor", "query"],
    "/vault/withdrawals": ["limit", "cursor", "status"],
    "/vault/audit-log": ["limit", "cursor", "actor_id", "target_id", "action"],
}
NO_VALUES = ["{}=", "{}", "{}=null", "{}=%20", "{}=+", "{}=1&{}=1", "{}=%ff", "{}=%zz", "{}=%", "{}=é"]


@pytest.mark.parametrize("query", NO_VALUES)
@pytest.mark.parametrize(("path", "name"), [(path, name) for path, names in PAGES.items() for name in names])
async def test_a_parameter_without_one_clear_value_is_refused_by_name(
    system: System, admin: Account, path: str, name: str, query: str
) -> None:
    target = f"{path}?{query.replace('{}', name)}"

    answer = await exchange(
        system.api_url,
        request(target, f"Authorization: {admin.headers()['Authorization']}").replace(
            "é".encode("latin-1"), "é".encode()
        ),
    )

    problem = answer.json()
    assert (answer.status, problem["code"]) == (400, "invalid_request")
    encoding = any(odd in query for odd in ("%ff", "%z", "é")) or query.endswith("%")
    assert encoding or problem["errors"][0]["pointer"] == name


@pytest.mark.parametrize("path", [*PAGES, "/profile", "/wallet", "/vault/reward-rates"])
@pytest.mark.parametrize("query", ["statsu=pending", "Limit=1", "=1", "limit[]=1", "&"])
async def test_an_unknown_parameter_is_refused_by_name(
    http: httpx.AsyncClient, admin: Account, path: str, query: str
) -> None:
    answer = await http.get(f"{path}?{query}", headers=admin.headers())

    assert is_problem(answer)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert answer.json()["errors"][0]["pointer"] == query.partition("=")[0].strip("&")


@pytest.mark.parametrize("value", ["0", "-1e300", "1767225600", "2026-01-01", "2026-01-01T00:00:00"])
async def test_a_time_is_written_as_rfc_3339_has_it(
    http: httpx.AsyncClient, payer: Account, value: str
) -> None:
    answer = await http.get("/wallet/transactions", params={"since": value}, headers=payer.headers())

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "since")


@pytest.mark.parametrize("value", ["1e1", "1.0", " 1", "+1", "٣"])
async def test_a_limit_is_written_in_digits(http: httpx.AsyncClient, payer: Account, value: str) -> None:
    answer = await http.get("/wallet/transactions", params={"limit": value}, headers=payer.headers())

    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "limit")


async def test_a_query_that_is_right_is_understood_percent_encoded_or_not(
    http: httpx.AsyncClient, payer: Account
) -> None:
    answers = [
        await http.get(f"/wallet/transactions?{query}", headers=payer.headers())
        for query in (
            "limit=1&since=2020-01-01T00:00:00Z",
            "%6Cimit=%31&since=2020-01-01T00%3A00%3A00%2B00%3A00",
        )
    ]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert len({answer.text.partition('"next_cursor"')[0] for answer in answers}) == 1


# --- HEAD


@pytest.mark.parametrize("path", GET_ROUTES)
async def test_head_is_get_without_a_body(http: httpx.AsyncClient, admin: Account, path: str) -> None:
    got = await http.get(path, headers=admin.headers())
    head = await http.head(path, headers=admin.headers())

    changing = {"date", "x-request-id", "ratelimit"}
    assert (got.status_code, head.status_code) == (200, 200)
    assert head.content == b""
    assert {n: v for n, v in head.headers.items() if n not in changing} == {
        n: v for n, v in got.headers.items() if n not in changing
    }


async def test_head_is_refused_as_get_is(http: httpx.AsyncClient) -> None:
    answers = [await http.head(path) for path in ("/profile", "/nothing", "/wallet/transfers")]

    assert [answer.status_code for answer in answers] == [401, 404, 405]
    assert {answer.content for answer in answers} == {b""}
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}


async def test_a_connection_serves_on_after_head(system: System) -> None:
    async with asyncio.timeout(30):
        answer = await exchange(
            system.api_url,
            request("/health/live", method="HEAD") + request("/nothing", "Connection: close"),
        )

    assert answer.status == 200


async def test_what_an_address_answers_names_head_beside_get(http: httpx.AsyncClient) -> None:
    answer = await http.delete("/wallet")

    assert {"GET", "HEAD"} <= {word.strip() for word in answer.headers["allow"].split(",")}


# --- Host, transfer codings, content types


@pytest.mark.parametrize(
    "sent",
    [
        request("/profile", host=None),
        request("/profile", "Host: other"),
        request("/profile", "Host: api"),
        request("/nothing", host=None),
    ],
)
async def test_a_request_names_one_host(system: System, sent: bytes) -> None:
    answer = await exchange(system.api_url, sent)

    assert (answer.status, answer.json()["code"]) == (400, "invalid_request")
    assert answer.headers["content-type"] == "application/problem+json"


async def test_http_1_0_needs_no_host(system: System) -> None:
    answer = await exchange(system.api_url, b"GET /health/live HTTP/1.0\r\n\r\n")

    assert answer.status == 200


async def test_a_transfer_coding_that_is_not_understood_is_refused(system: System, payer: Account) -> None:
    head = request(
        "/wallet/transfers",
        "Transfer-Encoding: gzip, chunked",
        "Content-Type: application/json",
        f"Authorization: {payer.headers()['Authorization']}",
        method="POST",
    )

    answer = await exchange(system.api_url, head, b"2\r\n{}\r\n0\r\n\r\n")

    assert (answer.status, answer.json()["code"]) == (400, "invalid_request")
    assert "transfer coding" in answer.json()["detail"]


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF8",
        'application/json; charset="utf-8"',
        "APPLICATION/JSON",
    ],
)
async def test_json_in_utf_8_is_json_however_it_is_named(
    http: httpx.AsyncClient, payer: Account, admin: Account, kind: str
) -> None:
    answer = await http.post(
        "/wallet/transfers",
        content=msgspec.json.encode({"recipient_id": admin.id, "amount": "1"}),
        headers={**payer.headers("k"), "Content-Type": kind},
    )

    assert answer.status_code == 201


@pytest.mark.parametrize("note", ["a:b", "::::", '\\":\\"', "\\u003a", "{:}"])
async def test_colons_in_strings_are_no_fields(
    http: httpx.AsyncClient, payer: Account, admin: Account, note: str
) -> None:
    body = f'{{"recipient_id": "{admin.id}", "amount": "1", "note": "{note}"}}'.encode()
    sent = {**payer.headers("k"), "Content-Type": "application/json"}

    taken = await http.post("/wallet/transfers", content=body, headers=sent)
    twice = await http.post(
        "/wallet/transfers", content=body[:-1] + b', "amount": "2"}', headers=payer.headers("l") | sent
    )

    assert taken.status_code == 201
    assert (twice.status_code, twice.json()["code"]) == (400, "invalid_request")


# --- What every answer carries


@pytest.mark.parametrize("path", ["/health/live", "/profile", "/nothing", "/schema"])
async def test_every_answer_is_private_and_names_the_release(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path, headers={"X-Request-Id": "mine"})

    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["x-release"]
    assert answer.headers["x-request-id"] not in {"", "mine"}
    assert "strict-transport-security" not in answer.headers


# --- What the caller likes to read

CSV = ["text/csv", "TEXT/CSV", "text/csv; q=0.5", "application/json, text/csv", "text/html;q=inf, text/csv"]
JSON = [
    *("", "*/*", "text/*", "application/json", "application/json, text/plain, */*", "text/html, */*;q=0.8"),
    *("text/csv;q=0", "text/csv;q=0.1, application/json", "text/csv;q=0.1, */*"),
    *("text/csv;q=inf", "text/csv;q=1e309", "text/csv;q=nan", "text/csv;q=-1", "text/csv;q=", ",;q"),
]


@pytest.mark.parametrize(
    ("accept", "answered"), [*((a, "text/csv") for a in CSV), *((a, "application/json") for a in JSON)]
)
async def test_a_statement_is_a_table_for_those_who_ask_for_one(
    http: httpx.AsyncClient, payer: Account, accept: str, answered: str
) -> None:
    answer = await http.get("/wallet/statement", headers={**payer.headers(), "Accept": accept})

    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, answered)


@pytest.mark.parametrize(
    "path", ["/schema/nothing", "/schema/openapi.yaml", "/health/nothing", "/wallet/nothing"]
)
async def test_what_is_not_there_is_a_problem_wherever_it_is_not(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)

    assert is_problem(answer)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
