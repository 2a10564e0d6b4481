"""The log of a process: one JSON line for whatever happens in it, no local variables, no secret, and no flood."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from typing import Any

import pytest
import structlog

from infrastructure.logging import REPEATED_EVERY_S, Chain

PASSWORD = "hunter22-and-more"
SETUP = """
import asyncio, gc, logging, os, signal, sys, threading, warnings
import structlog
from pydantic import SecretStr
from infrastructure.logging import configure_logging
from infrastructure.settings import DatabaseSettings

settings = DatabaseSettings(
    database_url=SecretStr(f"postgresql://me:{os.environ['SECRET']}@localhost/x"), lingualink_release="9.8.7"
)
configure_logging(settings)
log = structlog.get_logger("test")
password = os.environ["SECRET"]

class Broken:
    def __del__(self):
        kept = password
        raise RuntimeError("while it was forgotten")

def fail():
    kept = password
    raise RuntimeError("it failed: " + kept)
"""


def run(body: str) -> tuple[int, list[dict[str, Any]]]:
    """How a process ends that logs and then does *body*, and its lines; nothing else may be printed."""
    done = subprocess.run(
        [sys.executable, "-c", SETUP + textwrap.dedent(body)],
        env={**os.environ, "SECRET": PASSWORD},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert PASSWORD not in done.stdout + done.stderr
    assert done.stderr == ""
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("body", "event"),
    [
        ("fail()", "process.uncaught"),
        ("thread = threading.Thread(target=fail); thread.start(); thread.join()", "process.uncaught"),
        ("Broken(); gc.collect()", "process.uncaught"),
        ("try: fail()\nexcept RuntimeError: log.exception('ours')", "ours"),
        ("try: fail()\nexcept RuntimeError: logging.getLogger('foreign').exception('theirs')", "theirs"),
        (
            (
                "async def main():\n    asyncio.create_task(asyncio.sleep(0)).add_done_callback(lambda _: fail())\n"
                "    await asyncio.sleep(0.05)\nasyncio.run(main())"
            ),
            "Exception in callback",
        ),
    ],
    ids=["main", "thread", "unraisable", "ours", "foreign", "asyncio"],
)
def test_an_error_is_one_line_without_local_variables(body: str, event: str) -> None:
    _, [line] = run(body)

    assert line["event"].startswith(event)
    frames = [frame for failure in line["exception"] for frame in failure["frames"]]
    assert frames
    assert not any("locals" in frame for frame in frames)


def test_what_a_library_says_is_a_line_too() -> None:
    _, lines = run(
        "warnings.warn('old: ' + password)\nlogging.getLogger('asyncpg').error('dsn postgresql://me:%s@h', password)"
    )

    assert [line["level"] for line in lines] == ["warning", "error"]


def test_a_line_that_can_not_be_made_costs_nothing_but_itself() -> None:
    _, lines = run("logging.getLogger('foreign').error('%d', password)\nlog.info('after')")

    assert [line["event"] for line in lines] == ["log.line_lost", "after"]


def test_every_line_says_release_host_and_process() -> None:
    _, [one, other] = run("log.info('ours', pid=os.getpid())\nlogging.getLogger('x').warning('theirs')")

    assert one["process"] == other["process"]
    release, place = one["process"].split(" ")
    assert release == "lingualink/9.8.7"
    assert place.endswith(f":{one['pid']}")


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGINT])
def test_nothing_is_lost_however_the_process_ends(end: signal.Signals) -> None:
    returncode, lines = run(
        f"for n in range(1000): log.info('line', n=n)\nos.kill(os.getpid(), {int(end)})\nfail()"
    )

    assert returncode != 0
    assert [line["n"] for line in lines if line["event"] == "line"] == list(range(1000))


REQUESTS = """

from infrastructure.logging import request_line

async def turn(first, last):
    for n in range(first, last): request_line({"n": n, "path": "/" + "x" * 200})
    await asyncio.sleep(0)
"""


@pytest.mark.parametrize("end", ["", "os.kill(os.getpid(), signal.SIGKILL)"])
def test_lines_of_requests_are_written_when_their_turn_of_the_loop_ends(end: str) -> None:
    _, lines = run(f"{REQUESTS}\nasync def main():\n    await turn(0, 1000)\n    {end}\nasyncio.run(main())")

    assert [line["n"] for line in lines] == list(range(1000))


def test_lines_of_requests_in_the_last_turn_are_not_lost() -> None:
    _, lines = run(
        f"{REQUESTS}\ntry: turn(0, 3).send(None)\nexcept RuntimeError: pass\nasyncio.run(turn(3, 6))"
    )
    _, alone = run(
        f"{REQUESTS}\nasync def main():\n    request_line({{'n': 1}})\n    fail()\nasyncio.run(main())"
    )

    assert [line["n"] for line in lines] == list(range(6))
    assert [line["event"] for line in alone] == ["request", "process.uncaught"]


def test_another_line_stands_behind_the_requests_before_it() -> None:
    _, lines = run(
        f"{REQUESTS}\nasync def main():\n    request_line({{'n': 1}})\n    log.info('between')\n"
        "    request_line({'n': 2})\nasyncio.run(main())"
    )

    assert [line["event"] for line in lines] == ["request", "between", "request"]


def test_processes_that_share_a_pipe_do_not_write_into_each_others_lines() -> None:
    _, lines = run(
        f"{REQUESTS}\nworkers = [os.fork() for _ in range(2)]\n"
        "for n in range(0, 4000, 1000): asyncio.run(turn(n, n + 1000))\n"
        "if 0 in workers: os._exit(0)\nfor worker in workers: os.waitpid(worker, 0)"
    )

    assert sorted(line["n"] for line in lines) == sorted(list(range(4000)) * 4)


def test_threads_that_write_at_once_lose_nothing() -> None:
    """Whoever writes writes what waits, too: it may have been taken by another thread in the meantime."""
    _, lines = run(
        f"{REQUESTS}\nsys.setswitchinterval(1e-6)\n"
        "def write(first):\n    for n in range(first, first + 3000): request_line({'n': n})\n"
        "async def main():\n    threads = (asyncio.to_thread(write, n * 3000) for n in range(4))\n"
        "    await asyncio.gather(*threads, turn(12000, 15000))\n"
        "asyncio.run(main())"
    )

    assert sorted(line["n"] for line in lines) == list(range(15000))


def test_the_same_failure_is_told_once_a_minute_with_a_count() -> None:
    now = [1000.0]
    chain = Chain(clock=lambda: now[0])
    told: list[dict[str, Any]] = []

    def fail(error: str, **fields: Any) -> None:
        try:
            told.append(
                dict(chain.damp(None, "", {"level": "warning", "event": "lost", "error": error, **fields}))
            )
        except structlog.DropEvent:
            return

    for second in range(180):
        now[0] = 1000.0 + second
        fail("the pool is closed", request_id=str(second), timestamp=str(second))
        if second == 90:
            fail("another one")
    assert [(line["error"], line.get("repeated")) for line in told] == [
        ("the pool is closed", None),
        ("the pool is closed", 59),
        ("another one", None),
        ("the pool is closed", 59),
    ]
    assert REPEATED_EVERY_S == 60


def test_what_is_no_failure_or_one_persons_is_told_each_time() -> None:
    chain = Chain()

    for fields in (
        {"level": "info", "event": "request"},
        {"level": "warning", "event": "request.refused", "user_id": "u"},
    ):
        for _ in range(3):
            assert chain.damp(None, "", dict(fields)) == fields
