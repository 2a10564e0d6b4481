"""One request and its answer on a real socket: what an application may send, and what reaches the client of it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from bootstrap.http_exchange import Exchange
from bootstrap.http_protocol import BoundedHttpProtocol
from support.ports import free_port
from support.raw_http import connection, read_answer, request
from support.stack import serve_in_thread

pytestmark = pytest.mark.anyio

ODD = {
    "a line break in a value": [(b"x-name", b"a\r\nset-cookie: b=c")],
    "a line feed in a value": [(b"x-name", b"a\nb")],
    "a NUL in a value": [(b"x-name", b"a\0")],
    "a blank in a name": [(b"x name", b"a")],
    "a colon in a name": [(b"x:name", b"a")],
    "no name": [(b"", b"a")],
}


def start(headers: list[tuple[bytes, bytes]] | None = None) -> dict[str, Any]:
    length = [(b"content-length", b"4")]
    return {"type": "http.response.start", "status": 200, "headers": length if headers is None else headers}


def part(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


ANSWERS: dict[str, list[dict[str, Any] | BaseException]] = {
    **{name: [start(headers), part(b"four")] for name, headers in ODD.items()},
    "four": [start(), part(b"four")],
    "too short": [start(), part(b"an")],
    "too long": [start(), part(b"answer")],
    "a body without a head": [part(b"four")],
    "nothing": [],
    "a failure before it begins": [ValueError()],
    "a cancellation": [asyncio.CancelledError()],
    "a failure after it began": [start(), part(b"an", more=True), ValueError()],
    "parts": [start([]), part(b"one ", more=True), part(b"", more=True), part(b"two", more=True), part(b"")],
}


NO_ANSWERS = [
    *ODD,
    *("too short", "too long", "a body without a head", "a failure before it begins", "nothing"),
]


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers as its path says; reads what it has no answer for."""
    if scope["type"] == "lifespan":
        for word in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{word}.complete"})
        return
    name = scope["path"][1:].replace("_", " ")
    while name not in ANSWERS and (await receive())["type"] != "http.disconnect":
        pass
    for message in ANSWERS.get(name, []):
        if isinstance(message, BaseException):
            raise message
        await send(message)


@pytest.fixture
def url() -> Iterator[str]:
    with serve_in_thread(app, free_port(), http=BoundedHttpProtocol, ws="none", access_log=False) as served:
        yield served


def target(name: str) -> bytes:
    return request("/" + name.replace(" ", "_"))


@pytest.mark.parametrize("name", NO_ANSWERS)
async def test_an_answer_that_is_none_is_a_problem_and_a_line_in_the_log(url: str, name: str) -> None:
    with capture_logs() as logs:
        async with asyncio.timeout(20), connection(url) as (reader, writer):
            writer.write(target(name))
            answer = await read_answer(reader)
            rest = await reader.read()

    assert (answer.status, answer.json()["code"], rest) == (500, "internal_error", b"")
    assert "set-cookie" not in answer.headers
    assert [line["event"] for line in logs if line["log_level"] == "error"] == [
        "request.unanswered" if name == "nothing" else "request.crashed"
    ]


async def test_whose_request_is_cut_off_is_to_ask_again(url: str) -> None:
    """A process that goes away made no mistake: another one knows what became of it, by its key."""
    with capture_logs() as logs:
        async with asyncio.timeout(20), connection(url) as (reader, writer):
            writer.write(target("a cancellation"))
            answer = await read_answer(reader)

    assert (answer.status, answer.json()["code"], answer.headers["retry-after"]) == (503, "unavailable", "1")
    assert [line for line in logs if line["log_level"] == "error"] == []


async def test_an_answer_that_breaks_off_is_cut_so_that_nobody_takes_it_for_whole(url: str) -> None:
    async with asyncio.timeout(20), connection(url) as (reader, writer):
        writer.write(target("a failure after it began"))
        received = await reader.read()

    assert received.endswith(b"\r\n\r\nan")
    assert b"content-length: 4\r\n" in received


async def test_an_answer_without_a_length_comes_in_chunks(url: str) -> None:
    async with asyncio.timeout(20), connection(url) as (reader, writer):
        writer.write(target("parts").replace(b"Host: api", b"Host: api\r\nConnection: close"))
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")

    assert b"transfer-encoding: chunked" in head
    assert body == b"4\r\none \r\n3\r\ntwo\r\n0\r\n\r\n"


class Recorder(asyncio.Transport):
    """A transport that keeps what is written to it, one item a write."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: Any) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return False


class Recording:
    """A connection on which one exchange takes place."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.transport: asyncio.Transport = self.recorder
        self.flow = FlowControl(self.transport)
        self.state = ServerState()
        self.done: list[Exchange] = []

    def answered(self, exchange: Exchange) -> None:
        self.done.append(exchange)


async def test_head_and_body_leave_in_one_write() -> None:
    made = Recording()
    answer = Exchange(made, {"method": "GET"}, keep_alive=True, expects_continue=False)

    await answer.send(start([(b"Content-Length", b"4")]))
    assert made.recorder.written == []
    await answer.send(part(b"four"))

    assert made.recorder.written == [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfour"]
    assert made.done == [answer]


async def test_an_answer_to_nobody_goes_nowhere() -> None:
    made = Recording()
    answer = Exchange(made, {"method": "GET"}, keep_alive=True, expects_continue=False)
    answer.hang_up()

    assert await answer.receive() == {"type": "http.disconnect"}
    await answer.send(start())
    await answer.send(part(b"four"))

    assert made.recorder.written == []


async def test_the_body_of_a_request_is_what_came_since() -> None:
    made = Recording()
    answer = Exchange(made, {"method": "POST"}, keep_alive=True, expects_continue=True)
    assert answer.feed(b"one ")
    assert answer.feed(b"two")
    first = await answer.receive()
    rest = asyncio.create_task(answer.receive())
    await asyncio.sleep(0)
    assert not rest.done()
    assert not answer.feed(b"x" * 70_000)
    answer.feed_eof()

    assert first == {"type": "http.request", "body": b"one two", "more_body": True}
    assert await rest == {"type": "http.request", "body": b"x" * 70_000, "more_body": False}
    assert made.recorder.written == [b"HTTP/1.1 100 Continue\r\n\r\n"]


async def test_what_follows_a_queued_request_and_is_none_does_not_answer_for_it(url: str) -> None:
    chunked = b"POST /late HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\nnot hex\r\n"
    async with asyncio.timeout(20), connection(url) as (reader, writer):
        writer.write(target("four") + chunked)
        first = await read_answer(reader)
        rest = await reader.read()

    assert (first.status, first.body, rest) == (200, b"four", b"")


async def test_a_broken_body_gets_one_answer(url: str) -> None:
    head = b"POST /waits HTTP/1.1\r\nHost: api\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with asyncio.timeout(20), connection(url) as (reader, writer):
        writer.write(head + b"1\r\nx\r\n")
        await writer.drain()
        writer.write(b"not hex\r\n")
        answer = await read_answer(reader)
        rest = await reader.read()

    assert (answer.status, answer.json()["code"], rest) == (400, "invalid_request", b"")


async def test_a_target_that_is_none_is_refused_on_a_connection_in_use_too(url: str) -> None:
    async with asyncio.timeout(20), connection(url) as (reader, writer):
        writer.write(target("four"))
        first = await read_answer(reader)
        writer.write(b"GET http://a:99999/ HTTP/1.1\r\nHost: api\r\n\r\n")
        second = await read_answer(reader)
        rest = await reader.read()

    assert (first.status, second.status, second.json()["code"], rest) == (200, 400, "invalid_request", b"")


async def test_nobody_is_told_to_go_on_once_there_is_an_answer() -> None:
    made = Recording()
    answer = Exchange(made, {"method": "POST"}, keep_alive=True, expects_continue=True)
    await answer.send(start())
    await answer.send(part(b"four"))

    assert await answer.receive() == {"type": "http.disconnect"}
    assert made.recorder.written == [b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfour"]
