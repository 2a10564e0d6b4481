"""Several workers behind one process: who is asked to stop, and how often."""

import signal
import subprocess
import sys

import pytest

WORKERS = 8

POOL = f"""
import os, signal, sys
from bootstrap.worker_pool import run_workers

def worker(parent_gone):
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
