"""What a run on this machine leaves behind when it is killed, and what stands in the way of a new one."""

import fcntl
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event


class CannotStartError(RuntimeError):
    """The local system can't start; the message is the one line that says why, and what to do."""


@contextmanager
def only_instance(folder: Path) -> Iterator[None]:
    """Hold *folder* for this process. The lock ends with the process, so a stale one can't be.

    Raises:
        CannotStartError: another run holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip()
            raise CannotStartError(f"LinguaLink already runs from this folder (process {holder}).") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def require_free_port(port: int, variable: str) -> None:
    """Return if nothing listens on *port*.

    Raises:
        CannotStartError: it is taken; *variable* moves it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise CannotStartError(f"Port {port} is taken; set {variable} to another one.") from None


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there.

    Raises:
        CannotStartError: *host* is no address of this machine.
    """
    try:
        return socket.create_server((host, port), backlog=128)
    except OSError as error:
        raise CannotStartError(f"Can't listen on {host}, port {port}: {error.strerror or error}.") from None


def stop_orphan(pid_file: Path, program: str) -> None:
    """End the process that *pid_file* names on its first line, if it still is *program*, and wait for its end."""
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
        if program not in _command_of(pid):
            return
        os.kill(pid, signal.SIGINT)
        pause = Event()
        while True:  # until the process is gone: then os.kill raises
            pause.wait(0.05)
            os.kill(pid, 0)
    except (OSError, ValueError):
        return


def _command_of(pid: int) -> str:
    listed = subprocess.run(  # noqa: S603 - our own arguments
        ["ps", "-o", "command=", "-p", str(pid)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    return listed.stdout
