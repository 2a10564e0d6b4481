"""What one connection may take: bytes of a head, and time for a request. Bytes on real sockets."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bootstrap import http_flow, http_protocol
from bootstrap.http_protocol import MAX_HEAD_BYTES, MAX_TARGET_BYTES, MAX_WAITING, BoundedHttpProtocol
from support.ports import free_port
from support.raw_http import RawAnswer, connection, exchange, read_answer, request
from support.stack import serve_in_thread
from support.stopwatch import stopwatch

pytestmark = pytest.mark.anyio

PATIENCE_S = 0.6
MEGABYTE = 1024 * 1024


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the size of the body; a client that hangs up gets no answer.

    /early: without reading the body. /megabytes: with sixteen of them.
    """
    if scope["type"] == "lifespan":
        for word in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{word}.complete"})
        return
    size, more = 0, scope["path"] != "/early"
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    body = b"x" * (16 * MEGABYTE) if scope["path"] == "/megabytes" else str(size).encode()
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def url() -> Iterator[str]:
    # Who pauses between requests may for longer than the tests here take: what is cut is cut for another reason.
    options = {"http": BoundedHttpProtocol, "ws": "none", "access_log": False, "timeout_keep_alive": 60}
    with serve_in_thread(echo, free_port(), **options) as served:
        yield served


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "REQUEST_S", PATIENCE_S)


def code(answer: RawAnswer) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    assert answer.headers["x-request-id"] == answer.json()["request_id"] != ""
    return answer.status, answer.json()["code"]


async def test_a_head_below_the_limit_is_read(url: str) -> None:
    header = f"X-Long: {'a' * (MAX_HEAD_BYTES - 100)}"

    assert (await exchange(url, request("/", header))).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        [f"X-Long: {'a' * MAX_HEAD_BYTES}"],
        [f"X-{n}: {'a' * 1000}" for n in range(40)],
        [f"{'x' * MAX_HEAD_BYTES}: 1"],
        [f"X-Long: {'a' * 200_000}"],
    ],
)
async def test_a_head_above_the_limit_is_refused(url: str, headers: list[str]) -> None:
    assert code(await exchange(url, request("/", *headers))) == (431, "headers_too_large")


async def test_a_head_above_the_limit_is_refused_before_it_ends(url: str) -> None:
    head = request("/", f"X-Long: {'a' * (MAX_HEAD_BYTES * 2)}")

    answer = await exchange(url, head[:1000], head[1000:-10])

    assert code(answer) == (431, "headers_too_large")


@pytest.mark.parametrize("size", [MAX_TARGET_BYTES + 1, 70_000, 200_000])
async def test_a_request_line_above_the_limit_is_refused(url: str, size: int) -> None:
    assert code(await exchange(url, request("/" + "a" * size))) == (414, "uri_too_long")


async def test_a_request_line_below_the_limit_is_read(url: str) -> None:
    assert (await exchange(url, request("/" + "a" * (MAX_TARGET_BYTES - 1)))).status == 200


@pytest.mark.parametrize("sent", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
async def test_what_is_no_http_is_refused(url: str, sent: bytes) -> None:
    assert code(await exchange(url, sent)) == (400, "invalid_request")


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


HUGE_HEAD = (b"GET / HTTP/1.1\r\nHost: api\r\nX-Huge: ", b"a" * 65536)
HUGE_TRAILER = (
    b"POST / HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Huge: ",
    b"a" * 65536,
)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize("parts", [HUGE_HEAD, HUGE_TRAILER], ids=["a header", "a trailer"])
async def test_two_fields_of_forty_megabytes_take_no_memory(url: str, parts: tuple[bytes, bytes]) -> None:
    async def flood() -> None:
        sent = 0
        async with connection(url) as (_, writer):
            writer.write(parts[0])
            try:
                while sent < 40 * MEGABYTE:
                    writer.write(parts[1])
                    await writer.drain()
                    sent += len(parts[1])
            except ConnectionError:
                return

    before = resident_bytes()
    async with asyncio.timeout(30):
        await asyncio.gather(flood(), flood())

    assert resident_bytes() - before < 12 * MEGABYTE


# --- Time


async def seconds_until_closed(url: str, first: bytes, drip: bytes = b"") -> float:
    """How long the server lets a sender go on that sends *first*, and then a byte of *drip* each tenth of it."""
    began = time.monotonic()
    async with asyncio.timeout(40), connection(url) as (reader, writer):
        writer.write(first)
        closed = asyncio.create_task(reader.read())
        for byte in drip * 1000:
            await asyncio.wait({closed}, timeout=PATIENCE_S / 10)
            if closed.done():
                break
            writer.write(bytes([byte]))
        await asyncio.wait({closed})
    return time.monotonic() - began


SLOW = {
    "silence": (b"", b""),
    "a silent head": (b"GET / HTTP/1.1\r\nHost", b""),
    "a dripping head": (b"GET / HTTP/1.1\r\nX-Slow: ", b"a"),
    "empty lines": (b"", b"\r\n"),
    "a silent body": (request("/", method="POST", body=b"x" * 100)[:-50], b""),
    "a dripping body": (request("/", method="POST", body=b"x" * 1000)[:-900], b"x"),
    "dripping chunks": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "empty lines behind an answer": (request("/"), b"\r\n"),
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", SLOW)
async def test_a_slow_sender_is_cut(url: str, name: str) -> None:
    first, drip = SLOW[name]

    with stopwatch() as clock:
        taken = await seconds_until_closed(url, first, drip)

    assert taken > PATIENCE_S * 0.9
    assert clock.seconds < PATIENCE_S * 8


async def test_who_sends_whole_requests_may_stay(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "REQUEST_S", 3.0)
    async with asyncio.timeout(60), connection(url) as (reader, writer):
        for _ in range(8):
            writer.write(request("/", method="POST", body=b"x" * 10))
            assert (await read_answer(reader)).body == b"10"
            await asyncio.sleep(0.5)


async def test_who_is_answered_before_the_body_came_may_stay(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Head and body are two writes of most clients: a refusal may be quicker than the second."""
    monkeypatch.setattr(http_protocol, "REQUEST_S", 3.0)
    whole = request("/early", method="POST", body=b"x" * 10)
    async with asyncio.timeout(60), connection(url) as (reader, writer):
        writer.write(whole[:-10])
        assert (await read_answer(reader)).status == 200
        writer.write(whole[-10:])
        await asyncio.sleep(4)
        writer.write(request("/", method="POST", body=b"x" * 7))
        answer = await read_answer(reader)

    assert answer.body == b"7"


@pytest.mark.usefixtures("impatient")
async def test_who_is_answered_before_the_body_came_and_never_sends_it_is_cut(url: str) -> None:
    head = request("/early", method="POST", body=b"x" * 10)[:-10]

    with stopwatch() as clock:
        await seconds_until_closed(url, head)

    assert clock.seconds < PATIENCE_S * 8


@pytest.mark.parametrize("headers", [[], ["Connection: close"]], ids=["kept alive", "closing"])
async def test_who_does_not_read_is_cut(
    url: str, monkeypatch: pytest.MonkeyPatch, headers: list[str]
) -> None:
    """Else the connection and what was written to it would stay for ever."""
    monkeypatch.setattr(http_flow, "UNREAD_S", PATIENCE_S)
    async with asyncio.timeout(60), connection(url) as (reader, writer):
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(request("/megabytes", *headers))
        with capture_logs() as lines:
            while "request.unread" not in {line["event"] for line in lines}:  # noqa: ASYNC110 - the server's thread
                await asyncio.sleep(0.05)
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(16 * MEGABYTE)


async def test_who_reads_slowly_may_stay(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_flow, "UNREAD_S", 2.0)
    async with asyncio.timeout(60), connection(url) as (reader, writer):
        writer.write(request("/megabytes", "Connection: close"))
        head = await reader.readuntil(b"\r\n\r\n")
        size = 0
        for _ in range(32):  # eight seconds: four times as long as somebody may read nothing
            size += len(await reader.readexactly(MEGABYTE // 2))
            await asyncio.sleep(0.25)

    assert head.startswith(b"HTTP/1.1 200")
    assert size == 16 * MEGABYTE


# --- Several requests on one connection


async def test_requests_in_one_piece_are_answered_in_turn(url: str) -> None:
    async with asyncio.timeout(20), connection(url) as (reader, writer):
        writer.write(b"".join(request("/", method="POST", body=b"x" * size) for size in (1, 22, 333)))
        answers = [await read_answer(reader) for _ in range(3)]

    assert [answer.body for answer in answers] == [b"1", b"22", b"333"]


async def test_what_follows_a_good_request_and_is_none_does_not_answer_for_it(url: str) -> None:
    async with asyncio.timeout(20), connection(url) as (reader, writer):
        writer.write(request("/", method="POST", body=b"x" * 7) + b"\x16\x03\x01 no HTTP\r\n\r\n")
        first = await read_answer(reader)
        rest = await reader.read()

    assert (first.status, first.body, rest) == (200, b"7", b"")


async def test_of_too_many_requests_at_once_the_first_are_answered(url: str) -> None:
    """Each that waits takes some kilobytes, and one read may hold ten thousand."""
    async with asyncio.timeout(20), connection(url) as (reader, writer):
        writer.write(request("/") * 1000)
        answers = [await read_answer(reader) for _ in range(MAX_WAITING + 1)]
        rest = await reader.read()

    assert {answer.status for answer in answers} == {200}
    assert [answer.headers.get("connection") for answer in answers].index("close") == MAX_WAITING
    assert rest == b""


UPGRADE = ("Connection: Upgrade", "Upgrade: h2c")


@pytest.mark.parametrize("length", ["Content-Length: {}", "Transfer-Encoding: chunked"])
async def test_the_body_of_a_request_that_would_upgrade_is_no_second_request(url: str, length: str) -> None:
    """The parser ends such a request with its head: a proxy's next user would get the body's answer."""
    hidden = request("/hidden")
    async with asyncio.timeout(20), connection(url) as (reader, writer):
        writer.write(request("/", *UPGRADE, length.format(len(hidden)), method="POST"))
        answer = await read_answer(reader)
        writer.write(hidden)
        rest = await reader.read()

    assert code(answer) == (400, "invalid_request")
    assert rest == b""


async def test_a_request_that_would_upgrade_is_answered_and_what_follows_it_too(url: str) -> None:
    async with asyncio.timeout(20), connection(url) as (reader, writer):
        writer.write(request("/", *UPGRADE) + request("/", method="POST", body=b"x" * 7))
        answers = [await read_answer(reader) for _ in range(2)]
        writer.write(request("/", *UPGRADE, "Content-Length: 0", method="POST"))
        last = await read_answer(reader)

    assert [answer.body for answer in [*answers, last]] == [b"0", b"7", b"0"]
