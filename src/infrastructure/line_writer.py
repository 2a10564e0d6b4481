"""Whole lines to a file descriptor, at once or with others at the end of a turn of the event loop."""

import asyncio
import os
import select
from collections import deque
from contextlib import suppress


class LineWriter:
    """Writes lines, in the order in which they came, to *descriptor*; where nobody reads any more they are dropped.

    A write is of whole lines, and of no more than a pipe takes as one (POSIX, ``PIPE_BUF``) where it is of several:
    other processes may write to the same pipe.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._waiting: deque[bytes] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None  # whose turn ends with a write

    def write(self, line: bytes) -> None:
        """Write *line* before anything else happens, behind those that wait."""
        self.flush()
        self._write(line)

    def write_later(self, line: bytes) -> None:
        """Write *line* together with others of this turn of the event loop; at once where none runs."""
        self._waiting.append(line)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        if self._loop is not loop:
            self._loop = loop
            loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what waits."""
        self._loop = None
        together = b""
        with suppress(IndexError):  # another thread may take the last one
            while True:
                line = self._waiting.popleft()
                if len(together) + len(line) > select.PIPE_BUF:
                    self._write(together)
                    together = b""
                together += line
        self._write(together)

    def _write(self, rest: bytes) -> None:
        while rest:
            try:
                rest = rest[os.write(self.descriptor, rest) :]
            except BlockingIOError:
                select.select([], [self.descriptor], [])
            except OSError:
                return  # the service goes on
