"""Several worker processes behind one: started together, replaced when they die, stopped together.

Workers are forked from a parent that runs no loop and no thread, so they start at once and share its memory.
"""

import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from typing import Final

import structlog

from infrastructure.settings import Settings

Work = Callable[[Settings, socket.socket], None]

STOP: Final = (signal.SIGTERM, signal.SIGINT)
CANNOT_START: Final = 3
"""How a worker says that its successor would fail as it did (uvicorn's number)."""
YOUNG_S: Final = 5.0
PAUSE_S: Final = 1.0

log = structlog.get_logger(__name__)


def supervise(count: int, work: Work, settings: Settings, listener: socket.socket) -> int:
    """Keep *count* processes at *work* on *listener* until SIGTERM or SIGINT, and let them all finish.

    Returns:
        0 when every worker ended cleanly, 3 when a worker can't start, 1 when one was killed while it stopped.
    """
    with _signals() as signals:
        crew = _Crew(work, settings, listener)
        for _ in range(count):
            crew.start()
        status = _until_asked(crew, signals)
        listener.close()
        crew.stop()
        while crew.workers:
            if signals in wait([signals, *crew.sentinels]):
                signals.recv(64)
                crew.stop()
            status = max(status, *(1 if code else 0 for code in crew.bury()), 0)
    return status


def _until_asked(crew: "_Crew", signals: socket.socket) -> int:
    """Replace the dead until a signal comes (0) or a worker can't start (3)."""
    while signals not in wait([signals, *crew.sentinels]):
        young = crew.youngest_age < YOUNG_S
        codes = crew.bury()
        if CANNOT_START in codes:
            log.error("supervisor.worker_cannot_start")
            return CANNOT_START
        log.warning("supervisor.worker_died", exit_codes=codes)
        if young and wait([signals], timeout=PAUSE_S):
            return 0
        for _ in codes:
            crew.start()
    return 0


class _Crew:
    """The workers that live."""

    def __init__(self, work: Work, settings: Settings, listener: socket.socket) -> None:
        self._work = work
        self._arguments = (settings, listener)
        self._processes = get_context("fork")
        self._youngest = 0.0
        self.workers: list[ForkProcess] = []

    @property
    def sentinels(self) -> list[int]:
        """What becomes readable when a worker ends."""
        return [worker.sentinel for worker in self.workers]

    @property
    def youngest_age(self) -> float:
        """Seconds since the last start."""
        return time.monotonic() - self._youngest

    def start(self) -> None:
        """Start one more."""
        worker = self._processes.Process(target=self._work, args=self._arguments)
        # Held back until the worker has a handler: before that the signal would kill it.
        signal.pthread_sigmask(signal.SIG_BLOCK, STOP)
        try:
            worker.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)
        self._youngest = time.monotonic()
        self.workers.append(worker)

    def stop(self) -> None:
        """Ask all of them to stop."""
        for worker in self.workers:
            worker.terminate()

    def bury(self) -> list[int]:
        """Forget the workers that ended; their exit codes."""
        dead = [worker for worker in self.workers if not worker.is_alive()]
        self.workers = [worker for worker in self.workers if worker not in dead]
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
