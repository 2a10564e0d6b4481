"""Ports on the loopback address, each process of a test run with some of its own."""

import fcntl
import socket
import tempfile
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import TextIO

_locks: list[TextIO] = []
"""What makes this process's ports its own, for as long as it lives."""
_ports: Iterator[int] = iter(())


def free_port() -> int:
    """A TCP port on the loopback address that nothing listens on, and that nobody else is given meanwhile.

    A port that the system says is free may be an outgoing connection's, or another test's, by the time that a server
    takes it.
    """
    global _ports  # noqa: PLW0603 - asked for by the first test that needs one
    if not _locks:
        _ports = cycle(_own_ports())
    while True:
        port = next(_ports)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _own_ports() -> range:
    """Ports below those that the system gives to outgoing connections, of this process and no other, of any run."""
    for first in range(20_000, 32_000, 500):
        mark = None
        try:
            mark = (Path(tempfile.gettempdir()) / f"lingualink-tests-{first}.lock").open("w")
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # another process has these, or another user
            if mark is not None:
                mark.close()
            continue
        _locks.append(mark)
        return range(first, first + 500)
    raise RuntimeError("too many processes run tests on this machine")
