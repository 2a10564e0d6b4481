"""What a run on this machine leaves behind when it is killed, and what stands in the way of a new one."""

import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event

GRACE_S = 10
"""How long a process may take to end by itself before it is killed."""

# A signal that was ignored at the start of a shell stays so; those that reach us from a terminal must not end it.
# A number may be another process's by then: only one that began when ours did is ours.
_WATCH = """
trap '' INT TERM HUP
began=$(ps -o lstart= -p "$1")
there() { [ -n "$began" ] && [ "$(ps -o lstart= -p "$1")" = "$began" ]; }
read -r _
there "$1" && kill -s "$2" "$1"
tenths=0
while there "$1" && [ "$tenths" -lt "${3}0" ]; do sleep 0.1; tenths=$((tenths + 1)); done
there "$1" && kill -s KILL "$1"
"""


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


def stop_orphan(pid_file: Path, program: str, polite: signal.Signals) -> None:
    """End the process that *pid_file* names on its first line, if it still is *program*, and wait for its end.

    It is asked with the signal *polite*, and killed when it has not ended after ten seconds.

    Raises:
        CannotStartError: it does not even end when it is killed.
    """
    try:
        pid = int(pid_file.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return
    for number in (polite, signal.SIGKILL):
        if program not in _ps(pid, "command="):
            return
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        if _ended_within(pid, GRACE_S):
            return
    raise CannotStartError(f"Process {pid} of an earlier run does not end; see {pid_file}.")


def is_running(pid: int) -> bool:
    """Whether process *pid* is there and has not ended; one that nobody has waited for has ended, too."""
    state = _ps(pid, "stat=").strip()
    return state != "" and not state.startswith("Z")


def _ended_within(pid: int, seconds: float) -> bool:
    pause, until = Event(), time.monotonic() + seconds
    while is_running(pid):
        if time.monotonic() > until:
            return False
        pause.wait(0.05)
    return True


class EndsWithUs:
    """Sees to it that process *pid* ends when this one does, even if this one is killed.

    A shell waits for the end of a pipe whose other end nobody but us holds: the kernel closes it with us. It then
    sends *polite*, and SIGKILL after ten seconds. What *pid* has inherited, ignored signals for instance, is no matter.
    """

    def __init__(self, pid: int, polite: signal.Signals) -> None:
        self._watcher = subprocess.Popen(  # noqa: S603 - our own arguments
            ["/bin/sh", "-c", _WATCH, "watch", str(pid), polite.name.removeprefix("SIG"), str(GRACE_S)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def let_go(self) -> None:
        """Watch no longer: we end *pid* ourselves, or it has ended."""
        self._watcher.kill()
        self._watcher.communicate()


def _ps(pid: int, column: str) -> str:
    listed = subprocess.run(  # noqa: S603 - our own arguments
        ["ps", "-o", column, "-p", str(pid)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    return listed.stdout
