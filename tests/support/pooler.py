"""PgBouncer in transaction mode, where it is installed (``apt-get install pgbouncer``)."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.database import SERVICE, Database
from support.stack import free_port

CONFIG = """
[databases]
* = host=127.0.0.1 port={upstream} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 200
ignore_startup_parameters = extra_float_digits
logfile = {folder}/pgbouncer.log
"""


def pgbouncer() -> str | None:
    """The program, if this machine has it."""
    return shutil.which("pgbouncer") or shutil.which("/usr/sbin/pgbouncer")


@contextmanager
def transaction_pooler(database: Database) -> Iterator[str]:
    """The address of *database*, as the service, through a pooler that keeps nothing between transactions."""
    program = pgbouncer()
    assert program is not None
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="lingualink-pooler-") as folder:
        Path(folder).chmod(0o777)
        config = Path(folder) / "pgbouncer.ini"
        config.write_text(
            CONFIG.format(upstream=database.cluster.port, user=SERVICE, port=port, folder=folder)
        )
        as_nobody = ["-u", "nobody"] if os.geteuid() == 0 else []
        process = subprocess.Popen([program, "-q", *as_nobody, str(config)], stderr=subprocess.DEVNULL)
        try:
            _wait_for(port, process)
            yield f"postgresql://{SERVICE}@127.0.0.1:{port}/{database.name}"
        finally:
            process.terminate()
            process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        try:
            process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            continue
        raise RuntimeError(f"the pooler ended with {process.returncode}")
    raise RuntimeError("the pooler did not start")
