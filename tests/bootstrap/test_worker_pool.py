"""Several workers behind one process: who is asked to stop, and how often."""

import signal
import subprocess
import sys
from collections import Counter

import pytest

WORKERS = 8

POOL = f"""
import os, signal, sys
from bootstrap.worker_pool import run_workers

def worker(number, parent_gone):
    # Signals come in blocked: each is taken here as soon as it is sent, so that two don't become one.
    asked = [signal.SIGTERM, signal.SIGUSR1]
    os.write(1, b"up\\n")
    os.write(1, f"{{signal.Signals(signal.sigwait(asked)).name}}\\n".encode())
    if again := signal.sigtimedwait(asked, float(sys.argv[1])):
        os.write(1, f"{{signal.Signals(again.si_signo).name}}\\n".encode())

raise SystemExit(run_workers({WORKERS}, worker, on_stop=lambda: None, on_end=lambda pid: None))
"""


def pool(seconds: float) -> "subprocess.Popen[bytes]":
    """Workers that end when they are asked a second time, or so many *seconds* after the first."""
    return subprocess.Popen([sys.executable, "-c", POOL, str(seconds)], stdout=subprocess.PIPE)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_asks_each_worker_once(number: signal.Signals) -> None:
    """A second would end the drain delay, and cut off those who were not sent away yet."""
    with pool(0.5) as process:
        assert process.stdout is not None
        started = [process.stdout.readline() for _ in range(WORKERS)]
        process.send_signal(number)
        asked = process.stdout.read().splitlines()

    assert started == [b"up\n"] * WORKERS
    assert asked == [b"SIGTERM"] * WORKERS
    assert process.returncode == 0


def test_a_second_signal_is_passed_on_as_another() -> None:
    """Workers may have had the first one twice: from the pool, and from whoever sent it to all processes."""
    with pool(60) as process:
        assert process.stdout is not None
        for _ in range(WORKERS):
            process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        first = [process.stdout.readline() for _ in range(WORKERS)]
        process.send_signal(signal.SIGTERM)
        second = process.stdout.read().splitlines()

    assert first == [b"SIGTERM\n"] * WORKERS
    assert second == [b"SIGUSR1"] * WORKERS


def test_a_worker_that_dies_is_replaced_under_its_number() -> None:
    """Its number is its socket's: connections wait there until somebody takes them."""
    dying = """
import os
from bootstrap import worker_pool

def worker(number, parent_gone):
    os.write(1, f"{number}\\n".encode())
    if number == 1:
        os._exit(1)
    os.read(parent_gone, 1)

worker_pool.PAUSE_S = 0.05
worker_pool.run_workers(3, worker, on_stop=lambda: None, on_end=lambda pid: None)
"""
    with subprocess.Popen([sys.executable, "-c", dying], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        lines = filter(bytes.isdigit, map(bytes.strip, process.stdout))
        numbers = Counter[bytes]()
        while numbers[b"1"] < 3 or len(numbers) < 3:
            numbers[next(lines)] += 1
        process.kill()

    assert (numbers[b"0"], numbers[b"2"]) == (1, 1)


FAILING = """
import os, sys
from bootstrap import worker_pool
from infrastructure.logging import configure_logging
from infrastructure.settings import Environment

def worker(number, parent_gone):
    os.write(1, b"up\\n")
    raise ConnectionError("postgresql://me:hunter22-hunter22@db/x does not answer")

configure_logging(Environment())
worker_pool.PAUSE_S = 0.05
raise SystemExit(worker_pool.run_workers(1, worker, on_stop=lambda: None, on_end=lambda pid: None))
"""


def test_what_ends_a_worker_is_told_by_the_log_alone() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FAILING], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        lines: list[bytes] = []
        while lines.count(b"up\n") < 3:  # replaced, and replaced again
            lines.append(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        rest, printed = process.communicate()

    logged = b"".join(lines) + rest
    assert b'"workers.failed"' in logged
    assert b"hunter22" not in logged
    assert printed == b""


NO_ROOM = """
import os
from bootstrap import worker_pool

fork, left = os.fork, [BlockingIOError(11, "no room"), None, BlockingIOError(11, "no room"), None]

def fork_if_there_is_room():
    if (error := left.pop(0)) is not None:
        raise error
    return fork()

def worker(number, parent_gone):
    os.write(1, b"up\\n")
    os._exit(1)

os.fork = fork_if_there_is_room
worker_pool.PAUSE_S = 0.05
worker_pool.run_workers(1, worker, on_stop=lambda: None, on_end=lambda pid: left or os._exit(0))
"""


def test_where_there_is_no_room_for_a_worker_it_is_started_later() -> None:
    """A parent that ended over it would leave the others behind, with nobody to stop them."""
    done = subprocess.run([sys.executable, "-c", NO_ROOM], capture_output=True, check=False)

    assert done.stdout.count(b"up\n") == 2
    assert done.returncode == 0
