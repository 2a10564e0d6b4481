"""PgBouncer in front of a cluster: Supabase's session-mode and transaction-mode poolers, as far as clients notice.

``LINGUALINK_TEST_POOLER`` (``session`` or ``transaction``) puts one between the service and every cluster of the suite.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack.postgres import LocalPostgres, as_ordinary_user
from support.ports import free_port

USERS = ("lingualink_api", "supabase_postgres_like", "postgres")
SERVICE = "lingualink_api"

_in_front: dict[int, int] = {}


def pooler_mode() -> str | None:
    """The mode that the whole suite runs through, or none."""
    mode = os.environ.get("LINGUALINK_TEST_POOLER") or None
    assert mode in {None, "session", "transaction"}, f"LINGUALINK_TEST_POOLER can't be {mode!r}"
    return mode


def pgbouncer_program() -> str | None:
    """Where the program is, if it is installed."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def suite_pooler(cluster: LocalPostgres) -> Iterator[None]:
    """Put the suite's pooler, if it has one, in front of *cluster*."""
    mode = pooler_mode()
    if mode is None:
        yield
        return
    with pgbouncer(cluster, mode, pool_size=20) as port:
        _in_front[cluster.port] = port
        try:
            yield
        finally:
            del _in_front[cluster.port]


def service_url(cluster: LocalPostgres, database: str) -> str:
    """How the service reaches *database*: through the suite's pooler, if it has one."""
    return url_through(_in_front.get(cluster.port, cluster.port), database, SERVICE)


def url_through(port: int, database: str, user: str) -> str:
    """The address of *database* at *port*."""
    return f"postgresql://{user}@127.0.0.1:{port}/{database}"


@contextmanager
def pgbouncer(cluster: LocalPostgres, mode: str, *, pool_size: int) -> Iterator[int]:
    """Run PgBouncer in front of *cluster* with *pool_size* server connections a database; yields its port."""
    program = pgbouncer_program()
    assert program is not None, "pgbouncer is missing: apt-get install pgbouncer"
    with tempfile.TemporaryDirectory(prefix="lingualink-pgbouncer-") as home:
        port = free_port()
        config = _write_config(Path(home), cluster.port, port, mode, pool_size)
        process = subprocess.Popen(
            [*as_ordinary_user(), program, "--quiet", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_until_listening(process, port)
            yield port
        finally:
            process.kill()
            process.wait()


def _write_config(home: Path, server_port: int, port: int, mode: str, pool_size: int) -> Path:
    users = home / "users.txt"
    users.write_text("".join(f'"{user}" ""\n' for user in USERS))
    config = home / "pgbouncer.ini"
    config.write_text(
        f"""
[databases]
* = host=127.0.0.1 port={server_port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = {mode}
default_pool_size = {pool_size}
max_client_conn = 1000
server_login_retry = 1
logfile = {home / "log"}
"""
    )
    return config


def _wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(3_000):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            try:
                process.wait(timeout=0.02)
            except subprocess.TimeoutExpired:
                continue
            raise RuntimeError("pgbouncer did not start") from None
        return
    raise RuntimeError("pgbouncer does not listen")
