"""What of a request is seen from outside and afterwards: the log's line, the metrics, CORS, the page."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from infrastructure.logging import request_line
from infrastructure.metrics import Metrics
from support.accounts import Account, open_account, sign_ups
from support.backend import System, api, backend
from support.ports import free_port
from support.raw_http import connection, exchange, read_answer, request
from web.headers import TrustedProxies
from web.request_context import RequestContext

pytestmark = pytest.mark.anyio

APP = "https://app.example.org"
HANG = "/wallet/transfers"
CALLERS = "caller_request_id"


@pytest.fixture(scope="module")
def served(system: System) -> Iterator[System]:
    """A backend behind a trusted proxy, that browsers may use, with operators on a port of their own."""
    with backend(
        system.database,
        system.supabase,
        lingualink_relay="off",
        lingualink_cors_origins=[APP],
        lingualink_trusted_proxies=["127.0.0.1"],
        lingualink_ops_port=free_port(),
    ) as up:
        yield up


@pytest.fixture
async def person(system: System) -> AsyncIterator[Account]:
    async with sign_ups(system.supabase) as http:
        yield await open_account(system.database, http, "5.00")


def lines_of(logs: list[Any], event: str) -> list[dict[str, Any]]:
    return [dict(line) for line in logs if line["event"] == event]


# --- The line in the log


async def test_a_line_leads_from_the_id_to_the_person_the_route_and_the_address(
    served: System, person: Account
) -> None:
    own = "the app's own id"
    headers = {
        **person.headers(),
        "X-Request-Id": own,
        "X-Forwarded-For": "::ffff:198.51.100.7",
    }
    with capture_logs() as logs:
        async with api(served) as http:
            answer = await http.get("/wallet", headers=headers)
        async with asyncio.timeout(30):  # the line follows the answer
            while not (lines := [line for line in lines_of(logs, "request") if line.get(CALLERS) == own]):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    [line] = lines
    assert answer.headers["x-request-id"] != own
    assert {name: line[name] for name in ("method", "path", "route", "status", "client", "user_id")} == {
        "method": "GET",
        "path": "/wallet",
        "route": "/wallet",
        "status": 200,
        "client": "198.51.100.7",
        "user_id": person.id,
    }


async def test_two_requests_that_name_one_id_have_two(served: System) -> None:
    async with api(served) as http:
        ids = {
            (await http.get("/health/live", headers={"X-Request-Id": "same"})).headers["x-request-id"]
            for _ in range(2)
        }

    assert len(ids) == 2


@pytest.mark.parametrize("cut", [0, 10])
async def test_a_client_that_hangs_up_in_its_body_is_no_fault_of_ours(
    served: System, person: Account, cut: int
) -> None:
    head = request(
        "/wallet/transfers",
        f"Authorization: {person.headers()['Authorization']}",
        "Idempotency-Key: hang-up",
        "Content-Type: application/json",
        method="POST",
        body=b'{"recipient_id": "x", "amount": "1"}',
    )
    with capture_logs() as logs:
        async with connection(served.api_url) as (_, writer):
            writer.write(head[: len(head) - 36 + cut])
            await writer.drain()
            async with api(served) as http:  # by its answer the first request's head has been read
                await http.get("/health/live")
        async with asyncio.timeout(30):
            while not any(line["path"] == HANG for line in lines_of(logs, "request")):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    [line] = [line for line in lines_of(logs, "request") if line["path"] == HANG]
    assert line["status"] == "disconnected"
    assert [line for line in logs if line["log_level"] == "error"] == []


async def test_a_request_that_the_process_cuts_off_is_told_and_counted() -> None:
    metrics = Metrics()
    begun = asyncio.Event()

    async def never(*_: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    context = RequestContext(never, metrics.request, request_line, TrustedProxies([]), "1")
    scope: Any = {
        "type": "http",
        "method": "POST",
        "path": "/wallet/transfers",
        "path_template": "/wallet/transfers",
        "headers": [(b"host", b"api")],
        "http_version": "1.1",
        "client": ("192.0.2.1", 1),
        "scheme": "http",
    }
    with capture_logs() as logs:
        task = asyncio.create_task(context(scope, None, None))  # type: ignore[arg-type]
        await begun.wait()
        task.cancel()
        await asyncio.wait({task})

    [line] = lines_of(logs, "request")
    assert (line["status"], line["path"]) == ("cancelled", "/wallet/transfers")
    assert (
        'lingualink_http_request_seconds_count{method="POST",route="/wallet/transfers",status="cancelled"} 1.0'
        in metrics.text().decode()
    )


# --- Browsers

ASKED = ["sentry-trace", "baggage", "traceparent", "tracestate", "apikey", "x-client-info"]


@pytest.mark.parametrize("header", [*ASKED, "authorization", "content-type", "idempotency-key", "if-match"])
async def test_a_browser_may_send_what_apps_send(served: System, header: str) -> None:
    async with api(served) as http:
        answer = await http.options(
            "/wallet/transfers",
            headers={
                "Origin": APP,
                "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": f"content-type,{header}",
            },
        )

    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == APP


@pytest.mark.parametrize("path", ["/wallet", "/nothing", "/wallet?limit=", "/health/live"])
async def test_a_browser_may_read_every_answer_problems_too(served: System, path: str) -> None:
    async with api(served) as http:
        answer = await http.get(path, headers={"Origin": APP})
        foreign = await http.get(path, headers={"Origin": "https://elsewhere.example"})

    assert answer.headers["access-control-allow-origin"] == APP
    exposed = {word.strip().lower() for word in answer.headers["access-control-expose-headers"].split(",")}
    assert {"retry-after", "x-request-id", "idempotency-replayed", "ratelimit"} <= exposed
    assert "access-control-allow-origin" not in foreign.headers


async def test_behind_https_browsers_are_told_to_stay_there(served: System) -> None:
    async with api(served) as http:
        secure = await http.get("/health/live", headers={"X-Forwarded-Proto": "https"})
        plain = await http.get("/health/live")

    assert "max-age=" in secure.headers["strict-transport-security"]
    assert "strict-transport-security" not in plain.headers


# --- The page


async def test_the_page_loads_nothing_and_shows_every_route(served: System) -> None:
    async with api(served) as http:
        page = await http.get("/schema")
        document = (await http.get("/schema/openapi.json")).json()

    policy = page.headers["content-security-policy"]
    assert page.headers["content-type"].startswith("text/html")
    assert re.findall(r"<script|<link|<img|<iframe|url\(|@import|\son\w+=", page.text) == []
    assert "script-src" not in policy
    assert "default-src 'none'" in policy
    assert all(path in page.text for path in document["paths"])
    assert all(f'id="schema-{name}"' in page.text for name in document["components"]["schemas"])


async def test_the_page_can_be_switched_off(system: System) -> None:
    with backend(system.database, system.supabase, lingualink_relay="off", lingualink_schema="off") as up:
        async with api(up) as http:
            answers = [await http.get(path) for path in ("/schema", "/schema/openapi.json", "/health/live")]

    assert [answer.status_code for answer in answers] == [404, 404, 200]


# --- Metrics


async def test_metrics_answer_while_the_database_is_wrong(system: System) -> None:
    port = free_port()
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    with backend(
        system.database,
        system.supabase,
        database_url=nowhere,
        lingualink_relay="off",
        lingualink_ops_port=port,
    ):
        async with httpx.AsyncClient(timeout=30) as http:
            answer = await http.get(f"http://127.0.0.1:{port}/metrics", timeout=20)
            head = await http.head(f"http://127.0.0.1:{port}/metrics", timeout=20)

    assert answer.status_code == 200
    assert (head.status_code, head.content) == (200, b"")
    assert "lingualink_outbox_pending NaN" in answer.text
    assert "lingualink_http_request_seconds" in answer.text


async def test_upgrades_are_answered_as_plain_requests(served: System) -> None:
    websocket = request("/health/live", "Connection: Upgrade", "Upgrade: websocket")

    assert (await exchange(served.api_url, websocket)).status == 200


async def test_a_refusal_before_any_route_closes_cleanly(served: System) -> None:
    async with asyncio.timeout(30), connection(served.api_url) as (reader, writer):
        writer.write(request("/profile", host=None))
        answer = await read_answer(reader)
        rest = await reader.read()

    assert (answer.status, answer.headers["connection"], rest) == (400, "close", b"")
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
