"""A project outside the repository installs the packed package, type-checks strictly against it, and runs."""

import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typing_extensions import override

from support.javascript import node

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "node_modules"
NPM = Path(sys.executable).with_name("npm")
NAME = "@lingualink/backend-client"
STRICT = {
    "target": "ES2022",
    "module": "NodeNext",
    "strict": True,
    "exactOptionalPropertyTypes": True,
    "noUncheckedIndexedAccess": True,
    "skipLibCheck": False,
    "lib": ["ES2022", "DOM", "DOM.Iterable"],
    "types": ["node"],  # supabase-js's own types need it
    "noEmit": True,
}
USER = "7b0f5a4e-0000-4000-8000-000000000000"
REFUSAL = {
    "type": "https://lingualink.app/problems/insufficient_funds",
    "title": "Insufficient funds",
    "status": 409,
    "detail": "The balance is too low.",
    "code": "insufficient_funds",
    "request_id": "r1",
}
ANSWERS: dict[str, tuple[int, dict[str, Any]]] = {
    "GET /wallet": (200, {"user_id": USER, "balance": "1.00", "currency": "USD", "version": 2}),
    "POST /wallet/transfers": (409, REFUSAL),
    "GET /wallet/transactions": (200, {"items": [{"version": 2}], "next_cursor": "next"}),
    "GET /wallet/transactions?cursor=next": (200, {"items": [{"version": 1}], "next_cursor": None}),
}


class _Backend(BaseHTTPRequestHandler):
    """Answers as the backend does, from a table."""

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer("POST" if self.headers["Idempotency-Key"] else "POST without a key")

    def _answer(self, method: str) -> None:
        status, body = ANSWERS[f"{method} {self.path}"]
        sent = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", f"application/{'json' if status < 400 else 'problem+json'}")
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def fake_backend() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Backend)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as ``npm pack`` makes it, built anew in a copy: tests run side by side."""
    copy = tmp_path_factory.mktemp("package")
    shutil.copytree(
        ROOT / "clients" / "typescript",
        copy / "client",
        ignore=shutil.ignore_patterns("dist", "node_modules", "tests"),
    )
    (copy / "node_modules").symlink_to(MODULES)
    run("npm", "pack", "--silent", "--pack-destination", str(copy), cwd=copy / "client")
    [tarball] = copy.glob("*.tgz")
    return tarball


@pytest.fixture(scope="module")
def consumer(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An app with the package in its node_modules; what the package depends on is linked, so no registry is asked."""
    app = tmp_path_factory.mktemp("consumer")
    installed = app / "node_modules" / NAME
    with tarfile.open(packed) as archive:
        archive.extractall(app, filter="data")
    installed.parent.mkdir(parents=True)
    (app / "package").rename(installed)
    for needed in ("openapi-fetch", "openapi-typescript-helpers", "@supabase", "@types", "undici-types"):
        (app / "node_modules" / needed).symlink_to(MODULES / needed)
    (app / "package.json").write_text(json.dumps({"name": "app", "type": "module"}))
    (app / "tsconfig.json").write_text(json.dumps({"compilerOptions": STRICT, "files": ["app.ts"]}))
    shutil.copy(Path(__file__).parent / "consumer" / "app.ts", app)
    return app


def run(program: str, *arguments: str, cwd: Path) -> str:
    """Run a Node program; what it printed."""
    script = NPM if program == "npm" else MODULES / program
    done = subprocess.run(
        [node(), str(script), *arguments], cwd=cwd, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_package_holds_what_was_built_and_its_readme(packed: Path) -> None:
    with tarfile.open(packed) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}
    assert {
        "package.json",
        "README.md",
        "dist/index.js",
        "dist/index.d.ts",
        "dist/generated/api.d.ts",
    } <= names
    assert {name for name in names if not name.startswith("dist/")} == {"package.json", "README.md"}


def test_an_app_type_checks_against_it_under_strict(consumer: Path) -> None:
    run("typescript/bin/tsc", "-p", ".", cwd=consumer)


def test_an_app_runs_with_it(consumer: Path, fake_backend: str) -> None:
    done = subprocess.run(
        [node(), "app.ts", fake_backend],
        cwd=consumer,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == {"balance": "1.00", "code": "insufficient_funds", "paid": False, "versions": [2, 1]}
