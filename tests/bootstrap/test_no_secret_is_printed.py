"""Everything that a process can meet is met, and everything that it printed is searched for every secret it had.

The commands are searched in test_commands.py; malformed variables in tests/infrastructure/test_settings.py.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import httpx
import jwt
import pytest
from typing_extensions import override

from support.database import Database
from support.ports import free_port

PASSWORD = "N0t-For:Anybodys/Ey3s@all"
ENCODED = "N0t-For%3AAnybodys%2FEy3s%40all"
SECRET_KEY = "sb_secret_wX4kQ9zT2vB7nM1pR6"
JWT_SECRET = "kept-by-the-project-alone-0123456789-abcdef"
WINDOW = 8

COMMAND = [sys.executable, "-c", "from bootstrap.cli import main; main()"]


class Echo(BaseHTTPRequestHandler):
    """A Supabase at its worst: every answer is an error, and tells the caller its own headers."""

    def do_GET(self) -> None:
        body = str(self.headers).encode()
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(500)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the base class's name

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: what is searched is the backend's."""


@pytest.fixture
def worst_supabase() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def token_for(supabase_url: str) -> str:
    """An access token that the service accepts."""
    claims = {
        "iss": f"{supabase_url}/auth/v1",
        "aud": "authenticated",
        "role": "authenticated",
        "sub": str(uuid4()),
        "session_id": str(uuid4()),
        "is_anonymous": False,
        "aal": "aal1",
        "iat": 1_700_000_000,
        "exp": 4_000_000_000,
    }
    return jwt.encode(claims, JWT_SECRET, "HS256")


@contextmanager
def process(output: Path, command: str, environment: Mapping[str, str]) -> Iterator[str]:
    """Run a service until the block ends; where it answers. What it prints goes to *output*."""
    port = free_port()
    with output.open("ab") as file:
        running = subprocess.Popen(
            [*COMMAND, command],
            env={
                **os.environ,
                "SUPABASE_SECRET_KEY": SECRET_KEY,
                "SUPABASE_JWT_SECRET": JWT_SECRET,
                "LINGUALINK_LOG_LEVEL": "debug",
                "LINGUALINK_PORT": str(port),
                "LINGUALINK_OPS_PORT": "0",
                "LINGUALINK_DRAIN_DELAY": "0",
                **environment,
            },
            stdout=file,
            stderr=file,
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            running.send_signal(signal.SIGTERM)
            try:
                running.wait(30)
            finally:
                running.kill()


def until_alive(url: str) -> None:
    for _ in range(1_200):
        try:
            if httpx.get(f"{url}/health/live", timeout=30).is_success:
                return
        except httpx.HTTPError:
            threading.Event().wait(0.1)
    raise AssertionError("the service did not come up")


def until_printed(output: Path, what: str) -> None:
    for _ in range(1_200):
        if what in output.read_text():
            return
        threading.Event().wait(0.1)
    raise AssertionError(f"never printed: {what}")


def hang_up_inside_a_body(url: str, token: str) -> None:
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            b"POST /wallet/transfers HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nIdempotency-Key: k\r\n"
            + f"Authorization: Bearer {token}\r\n".encode()
            + b"Content-Length: 400\r\n\r\n{"
        )


def provoke(url: str, token: str) -> None:
    """Ask in every way that goes wrong."""
    hang_up_inside_a_body(url, token)
    with httpx.Client(base_url=url, timeout=30) as http:
        for bearer in (token, token[:-4] + "AAAA", token.replace(".", "!"), f"{token} x", "x"):
            for path in (
                "/profile",
                "/wallet",
                f"/wallet/transactions?cursor={token}",
                f"/{token}",
                "/health/ready",
            ):
                http.get(path, headers={"Authorization": f"Bearer {bearer}", "X-Request-Id": "r"})
        http.post(
            "/wallet/transfers",
            headers={"Authorization": f"Bearer {token}", "Idempotency-Key": "k"},
            json={"recipient_id": str(uuid4()), "amount": "1.00", "note": "x"},
        )


def search(printed: str, token: str) -> None:
    """Fail if *printed* holds a secret, or eight characters of one in a row."""
    _, payload, signature = token.split(".")
    for secret in (PASSWORD, ENCODED, SECRET_KEY.removeprefix("sb_secret_"), JWT_SECRET, payload, signature):
        found = [
            secret[place : place + WINDOW]
            for place in range(len(secret) - WINDOW + 1)
            if secret[place : place + WINDOW] in printed
        ]
        assert not found, found


def test_a_database_that_refuses_the_log_in(database: Database, worst_supabase: str, tmp_path: Path) -> None:
    output, token = tmp_path / "output", token_for(worst_supabase)
    url = f"postgresql://nobody_such:{ENCODED}@127.0.0.1:{database.cluster.port}/{database.name}"
    environment = {"DATABASE_URL": url, "SUPABASE_URL": worst_supabase}

    with process(output, "serve", environment) as api:
        until_alive(api)
        provoke(api, token)
    with process(output, "relay", environment):
        until_printed(output, "relay")

    printed = output.read_text()
    assert "nobody_such" in printed
    search(printed, token)


def test_a_supabase_that_tells_what_it_was_sent_and_a_table_that_is_gone(
    database: Database, worst_supabase: str, tmp_path: Path
) -> None:
    output, token = tmp_path / "output", token_for(worst_supabase)
    url = database.service_url.replace("lingualink_api", f"lingualink_api:{ENCODED}")
    database.run(
        "insert into private.realtime_outbox (event_id, topic, event, payload) "
        "values (gen_random_uuid(), 'user:' || gen_random_uuid(), 'balance_updated', '{}')"
    )
    environment = {
        "DATABASE_URL": url,
        "LINGUALINK_DATABASE_POOLER": database.pooler,
        "SUPABASE_URL": worst_supabase,
    }

    with process(output, "serve", environment) as api:
        until_alive(api)
        provoke(api, token)
        database.run("alter table public.wallets rename to wallets_gone")
        provoke(api, token)
        until_printed(output, "request.failed")
        database.run(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
            " and usename = 'lingualink_api'"
        )
        provoke(api, token)

    search(output.read_text(), token)
