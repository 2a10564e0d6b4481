"""Seconds without those that a busy machine takes away: for promises of so many of them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

TICK_S: Final = 0.05


class Stopwatch:
    """Counts seconds in ticks; of a tick that comes late because the machine did not let this process run, two.

    A service that waits for something lets it run, and all of the waiting is counted.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._stopped = threading.Event()

    def run(self) -> None:
        """Count until stopped."""
        last = time.monotonic()
        while not self._stopped.wait(TICK_S):
            now = time.monotonic()
            self.seconds += min(now - last, 2 * TICK_S)
            last = now

    def stop(self) -> None:
        """End :meth:`run`."""
        self._stopped.set()


@contextmanager
def stopwatch() -> Iterator[Stopwatch]:
    """A stopwatch that runs for as long as the block."""
    watch = Stopwatch()
    thread = threading.Thread(target=watch.run, name="stopwatch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch.stop()
        thread.join()
