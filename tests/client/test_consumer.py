"""A project outside the repository installs the packed package, type-checks strictly against it, and runs."""

import json
import re
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typing_extensions import override

from client.conftest import MODULES, NAME, ROOT, finished, run, run_node

HERMES = {"linux": "linux64-bin/hermes", "darwin": "osx-bin/hermes", "win32": "win64-bin/hermes.exe"}
STRICT = {
    "target": "ES2022",
    "module": "NodeNext",
    "strict": True,
    "exactOptionalPropertyTypes": True,
    "noUncheckedIndexedAccess": True,
    "skipLibCheck": False,
    "lib": ["ES2022", "DOM", "DOM.Iterable"],
    "jsx": "react-jsx",
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


def modules_in(*documents: Path) -> dict[str, str]:
    """The code that *documents* show as whole files, by the name that its first line gives."""
    text = "\n".join(document.read_text() for document in documents)
    return {match["name"]: match[0] for match in WHOLE_FILE.finditer(text)}


WHOLE_FILE = re.compile(r"(?<=```tsx\n)// (?P<name>[\w.-]+\.tsx?).*?(?=```\n)", re.DOTALL)


def test_an_app_type_checks_against_it_under_strict(consumer: Path) -> None:
    run("typescript/bin/tsc", "-p", project(consumer, "strict", STRICT, "app.ts"), cwd=consumer)


def test_the_code_of_the_documents_type_checks(consumer: Path) -> None:
    """React Native itself is declared in a few lines: its package is larger than everything else together."""
    shown = modules_in(ROOT / "docs" / "react-native.md", ROOT / "clients" / "typescript" / "README.md")
    assert set(shown) == {"backend.ts", "transfer.tsx", "wallet.tsx", "queries.tsx"}
    for name, code in shown.items():
        (consumer / name).write_text(code)
    options = {**STRICT, "module": "ESNext", "moduleResolution": "bundler", "skipLibCheck": True}
    run(
        "typescript/bin/tsc",
        "-p",
        project(consumer, "documents", options, "react-native.d.ts", *shown),
        cwd=consumer,
    )


def project(app: Path, name: str, options: dict[str, Any], *files: str) -> str:
    """Write a project of TypeScript into *app*; its file's name."""
    file = f"tsconfig.{name}.json"
    (app / file).write_text(json.dumps({"compilerOptions": options, "files": files}))
    return file


TOLD = {"balance": "1.00", "code": "insufficient_funds", "paid": False, "versions": [2, 1]}


def test_an_app_of_es_modules_runs_with_it(consumer: Path, fake_backend: str) -> None:
    assert json.loads(run_node("app.ts", fake_backend, cwd=consumer)) == TOLD


def test_an_app_of_commonjs_runs_with_it(consumer: Path, fake_backend: str) -> None:
    """Node of before ``require(esm)``, and Jest, take the same answers from what ``require`` finds."""
    run_node("--no-experimental-require-module", "app.cjs", fake_backend, cwd=consumer)
    assert json.loads(run_node("app.cjs", fake_backend, cwd=consumer)) == TOLD


@pytest.mark.parametrize("exports", [True, False], ids=["with exports", "without exports"])
def test_metro_finds_every_entry(exports: bool, consumer: Path) -> None:
    """React Native's bundler, as it is today and as it was, or is set, without package exports."""
    found = json.loads(run_node("metro.cjs", json.dumps(exports), cwd=consumer))
    home = f"node_modules/{NAME}"
    assert found == {
        NAME: f"{home}/dist/cjs/index.js",
        f"{NAME}/react": f"{home}/dist/cjs/react.js",
        f"{NAME}/testing": f"{home}/dist/cjs/testing.js",
        f"{NAME}/openapi.json": f"{home}/openapi.json",
    }


def test_it_runs_on_the_engine_of_react_native(consumer: Path) -> None:
    run_node("bundle.mjs", str(ROOT / "docs" / "ledger-vectors.json"), "hermes.js", cwd=consumer)
    hermes = MODULES / "hermes-engine-cli" / HERMES[sys.platform]
    told = json.loads(finished([str(hermes), "-w", "hermes.js"], cwd=consumer))
    verdict = told.pop("verdict")
    assert told == {
        "bare": "not_sent",
        "lost": ["unavailable", True, True],
        "paid": "6.00",
        "shown": "6.00",
        "stored": 0,
        "sum": "0.30",
    }
    assert verdict["isValid"] is True
