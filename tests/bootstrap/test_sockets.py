"""Where the server listens, and that what several workers measured is one."""

import asyncio
import re
import socket
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from bootstrap.operations import listen, listen_side_by_side
from support.backend import backend_process
from support.database import Database
from support.ports import free_port
from support.stack import supabase_on

pytestmark = pytest.mark.anyio


def reaches(listener: socket.socket, host: str) -> bool:
    try:
        socket.create_connection((host, listener.getsockname()[1]), timeout=2).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    ("host", "reached"),
    [
        ("127.0.0.1", {"127.0.0.1"}),
        ("0.0.0.0", {"127.0.0.1"}),  # noqa: S104 - what a container listens on
        ("::1", {"::1"}),
        ("::", {"127.0.0.1", "::1"}),
        ("localhost", {"127.0.0.1"}),
    ],
)
def test_it_listens_where_it_was_told(host: str, reached: set[str]) -> None:
    with listen(host, 0) as listener:
        assert {one for one in ("127.0.0.1", "::1") if reaches(listener, one)} >= reached - (
            {"127.0.0.1"} if host == "localhost" and listener.family == socket.AF_INET6 else set()
        )


def test_a_taken_port_is_refused() -> None:
    with listen("127.0.0.1", 0) as listener, pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", listener.getsockname()[1])


def test_sockets_of_several_workers_are_joined_by_nobody_else() -> None:
    with ExitStack() as stack:
        mine = [stack.enter_context(one) for one in listen_side_by_side("127.0.0.1", 0, 2)]
        [port] = {one.getsockname()[1] for one in mine}

        with pytest.raises(OSError, match="in use"):
            listen_side_by_side("127.0.0.1", port, 2)


@pytest.mark.parametrize("host", ["a..b", ".", "a" * 64 + ".example", "nobody.invalid", "192.0.2.1"])
def test_what_is_no_address_of_this_machine_is_refused_alike(host: str) -> None:
    with pytest.raises(OSError, match=r"\w"):
        listen(host, 0)


@pytest.mark.parametrize("workers", [1, 2])
async def test_both_families_are_served_whatever_the_number_of_workers(
    database: Database, workers: int
) -> None:
    port, operations = free_port(), free_port()
    changes = {
        "LINGUALINK_HOST": "::",
        "LINGUALINK_WORKERS": str(workers),
        "LINGUALINK_OPS_PORT": str(operations),
        "LINGUALINK_DRAIN_DELAY": "0",
        "LINGUALINK_RELAY": "off",
    }
    with (
        supabase_on(database.cluster, database.name) as supabase,
        backend_process(database, supabase, port, changes),
    ):
        told = [await _live(f"http://{host}:{port}") for host in ("127.0.0.1", "[::1]")]
        processes: list[int] = []
        while len(set(processes)) < workers:  # each connection is one worker's or the other's, by chance
            processes.append((await _live(f"http://127.0.0.1:{port}"))["process"])
        asked = len(told) + len(processes)
        async with asyncio.timeout(30):  # a request is counted behind its answer
            while await _counted(operations) != asked:
                pass
        scrapes = {await _counted(operations) for _ in range(4)}

    assert {answer["status"] for answer in told} == {"ok"}
    assert len(set(processes)) == workers
    assert scrapes == {asked}


async def _live(url: str) -> dict[str, Any]:
    async with httpx.AsyncClient(timeout=60, verify=False) as http:  # noqa: S501 - plain HTTP
        answer: dict[str, Any] = (await http.get(f"{url}/health/live")).json()
    return answer


async def _counted(operations: int) -> int:
    """How many answers there were, as whichever worker is asked tells it."""
    async with httpx.AsyncClient(timeout=30) as http:
        text = (await http.get(f"http://127.0.0.1:{operations}/metrics")).text
    found = re.search(
        r'^lingualink_http_request_seconds_count\{method="GET",route="/health/live",status="200"\} ([0-9.]+)',
        text,
        re.MULTILINE,
    )
    return 0 if found is None else int(float(found.group(1)))
