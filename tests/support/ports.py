"""Ports on the loopback address, each process of a test run with some of its own."""

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Final

# Below the ports that the system gives to outgoing connections.
_FIRST: Final = 20_000
_BLOCK: Final = 500
_BLOCKS: Final = 24

_held: list[int] = []
"""The lock on this process's block, for as long as the process lives."""
_ports: Iterator[int] = iter(())


def free_port() -> int:
    """A TCP port on the loopback address that nothing listens on, and that nobody else is given meanwhile.

    A port that the system says is free may be an outgoing connection's, or another test's, by the time that a server
    takes it.
    """
    global _ports  # noqa: PLW0603 - one block a process
    if not _held:
        _ports = cycle(_own_block())
    for port in _ports:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("a cycle does not end")


def _own_block() -> range:
    """A block of ports that no other process on this machine has, of this run or of one beside it."""
    for block in range(_BLOCKS):
        path = Path(tempfile.gettempdir()) / f"lingualink-tests-{os.getuid()}-ports-{block}.lock"
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        _held.append(lock)
        return range(_FIRST + _BLOCK * block, _FIRST + _BLOCK * (block + 1))
    raise RuntimeError(f"{_BLOCKS} processes of tests have ports already")
