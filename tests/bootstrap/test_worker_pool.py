"""Several workers behind one process: who is asked to stop, and how often."""

import signal
import subprocess
import sys

import pytest

WORKERS = 8
ASKED_FOR_S = 0.5

POOL = f"""
import os, signal
from bootstrap.worker_pool import run_workers

def worker():
    # Signals come in blocked: each is taken here as soon as it is sent, so that two don't become one.
    os.write(1, b"up\\n")
    signal.sigwait([signal.SIGTERM])
    os.write(1, b"asked\\n")
    while signal.sigtimedwait([signal.SIGTERM], {ASKED_FOR_S}):
        os.write(1, b"asked\\n")

raise SystemExit(run_workers({WORKERS}, worker, on_stop=lambda: None, on_end=lambda pid: None))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_asks_each_worker_once(number: signal.Signals) -> None:
    """A second would end the drain delay, and cut off those who were not sent away yet."""
    with subprocess.Popen([sys.executable, "-c", POOL], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        started = [process.stdout.readline() for _ in range(WORKERS)]
        process.send_signal(number)
        asked = process.stdout.read().splitlines()

    assert started == [b"up\n"] * WORKERS
    assert asked == [b"asked"] * WORKERS
    assert process.returncode == 0


def test_a_second_signal_is_passed_on_too() -> None:
    with subprocess.Popen([sys.executable, "-c", POOL], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(WORKERS):
            process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        first = [process.stdout.readline() for _ in range(WORKERS)]
        process.send_signal(signal.SIGTERM)
        second = process.stdout.read().splitlines()

    assert first == [b"asked\n"] * WORKERS
    assert second == [b"asked"] * WORKERS
