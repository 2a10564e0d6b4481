"""Several worker processes behind one: started together, replaced when they die, stopped together.

Workers are forked from a parent that runs no loop and no thread, so they start at once and share its memory.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from typing import Final

import structlog

STOP: Final = (signal.SIGTERM, signal.SIGINT)
HURRY: Final = signal.SIGUSR1
"""How a worker is told of a second signal. A second SIGTERM may be the first one's echo: systemd, Heroku and a terminal
send theirs to the workers, too."""
CANNOT_START: Final = 3
"""How a worker says that its successor would fail as it did (uvicorn's number)."""
MIN_UPTIME_S: Final = 5.0
"""A worker that ends sooner is replaced after :data:`PAUSE_S` only."""
PAUSE_S: Final = 1.0

log = structlog.get_logger(__name__)


def run_workers(
    count: int,
    run_worker: Callable[[int, int], None],
    *,
    on_stop: Callable[[], None],
    on_end: Callable[[int], None],
) -> int:
    """Keep *count* processes at *run_worker* until SIGTERM or SIGINT, and let them all finish.

    *run_worker* gets a number from 0 on, which no other worker has while it lives, and a file descriptor that becomes
    readable when this process is gone; it has the signals of :data:`STOP` and :data:`HURRY` held back. *on_stop* is
    called once they shall stop, *on_end* with the id of each process that ended.

    Returns:
        0 when every worker ended cleanly, 3 when a worker can't start, 1 when one was killed while it stopped.
    """
    with _signals() as signals:
        pool = WorkerPool(run_worker, on_end)
        status = _until_asked(pool, count, signals)
        on_stop()
        pool.stop()
        while pool.workers:
            if signals in wait([signals, *pool.sentinels]):
                signals.recv(64)
                pool.hurry()
            status = max(status, *(1 if code else 0 for code in pool.reap()), 0)
    return status


def _until_asked(pool: "WorkerPool", count: int, signals: socket.socket) -> int:
    """Have *count* workers, whoever dies, until a signal comes (0) or a worker can't start (3)."""
    while True:
        is_whole = pool.fill(count)
        ready = wait([signals, *pool.sentinels], None if is_whole else PAUSE_S)
        if ready and signals not in ready:
            young = pool.youngest_uptime < MIN_UPTIME_S
            codes = pool.reap()
            if CANNOT_START in codes:
                log.error("workers.cannot_start")
                return CANNOT_START
            log.warning("workers.died", exit_codes=codes)
            ready = wait([signals], PAUSE_S if young else 0)
        if signals in ready:
            signals.recv(64)  # answered: left there it would be taken for a second one
            return 0


class WorkerPool:
    """The workers that live."""

    def __init__(self, run_worker: Callable[[int, int], None], on_end: Callable[[int], None]) -> None:
        self._run_worker = run_worker
        self._on_end = on_end
        self._processes = get_context("fork")
        self._youngest = 0.0
        # One for all: multiprocessing's own has ends in the workers that came later, which would end in turn.
        self._gone, self._here = os.pipe()
        self.workers: dict[ForkProcess, int] = {}
        """Each with its number."""

    @property
    def sentinels(self) -> list[int]:
        """What becomes readable when a worker ends."""
        return [worker.sentinel for worker in self.workers]

    @property
    def youngest_uptime(self) -> float:
        """Seconds since the last start."""
        return time.monotonic() - self._youngest

    def fill(self, count: int) -> bool:
        """Start as many as are missing of *count*; False where the system has no room for one now."""
        try:
            for number in set(range(count)).difference(self.workers.values()):
                self._start(number)
        except OSError as error:
            log.warning("workers.not_started", error=str(error))
            return False
        return True

    def _start(self, number: int) -> None:
        worker = self._processes.Process(target=self._work, args=(number,))
        # Held back until the worker has a handler: before that the signal would kill it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {*STOP, HURRY})
        try:
            worker.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {*STOP, HURRY})
        self._youngest = time.monotonic()
        self.workers[worker] = number

    def _work(self, number: int) -> None:
        os.close(self._here)
        try:
            self._run_worker(number, self._gone)
        except Exception:
            log.exception("workers.failed")  # multiprocessing would print it as it is, secrets and all
            sys.exit(1)

    def stop(self) -> None:
        """Ask all of them to stop."""
        for worker in self.workers:
            worker.terminate()

    def hurry(self) -> None:
        """Ask all of them not to wait."""
        for worker in self.workers:
            if worker.exitcode is None and worker.pid is not None:
                os.kill(worker.pid, HURRY)

    def reap(self) -> list[int]:
        """Forget the workers that ended; their exit codes."""
        dead = [worker for worker in self.workers if not worker.is_alive()]
        for worker in dead:
            del self.workers[worker]
            self._on_end(worker.pid or 0)
        return [worker.exitcode or 0 for worker in dead]


@contextmanager
def _signals() -> Iterator[socket.socket]:
    """A socket that becomes readable when this process is asked to stop."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno())
    for number in STOP:
        signal.signal(number, lambda *_: None)
    try:
        yield reader
    finally:
        for number in STOP:
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)
        reader.close()
        writer.close()
