"""Requests, and windows in which wrk sends them while the CPU of everybody involved is counted."""

import json
import random
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from bench.people import POSTS, USERS, Algorithm, Mint, post_id, sample
from bench.processes import busy_seconds, children_seconds, usage_of
from bench.system import CannotMeasureError, Server, System

MARK: Final = "KEY-KEY-KEY-KEY-KEY-KEY-KEY-KEY-KEY-"
SCRIPT: Final = Path(__file__).with_name("load.lua")
SETTLE_S: Final = 0.3


@dataclass(frozen=True, slots=True)
class Request:
    """One prepared request: ``{token}`` is filled in, :data:`MARK` stands for a key that wrk makes."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: object = None

    def raw(self, port: int, token: str) -> bytes:
        """The bytes of it."""
        sent = b"" if self.body is None else json.dumps(self.body, separators=(",", ":")).encode()
        headers = {"host": f"127.0.0.1:{port}", "authorization": f"Bearer {token}", **self.headers}
        if sent:
            headers |= {"content-type": "application/json", "content-length": str(len(sent))}
        lines = [
            f"{self.method} {self.path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + sent


Maker = Callable[[random.Random, int], Request]
"""Makes the n-th request of a window."""


@dataclass(frozen=True, slots=True)
class Load:
    """Who sends how much for how long; *rate* is requests a second (None: as many as are answered)."""

    seconds: float = 5
    connections: int = 32
    threads: int = 1
    rate: float | None = None
    users: int = 500
    pool: int = USERS
    records: int = 500
    staff: bool = False
    algorithm: Algorithm = "ES256"


@dataclass(frozen=True, slots=True)
class Window:
    """What a window showed. CPU is in seconds for 1,000 requests, times are milliseconds, *others* are cores."""

    requests: int
    rps: float
    p50: float
    p99: float
    refused: int
    broken: int
    cpu: float
    postgres_cpu: float
    memory_mb: float
    others: float

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def write_requests(path: Path, server: Server, make: Maker, load: Load, mint: Mint, seed: int) -> None:
    """The input of wrk; the same *seed* gives every target the same users and bodies."""
    generator = random.Random(seed)  # noqa: S311 - a sample, not a secret
    users = sample(generator, load.users, load.pool, staff=load.staff)
    tokens = [mint.token(user, load.algorithm) for user in users]
    with path.open("wb") as out:
        for number in range(load.records):
            record = make(generator, number).raw(server.port, tokens[number % len(tokens)])
            out.write(b"%d\n" % len(record) + record)


def measure(server: Server, system: System, requests: Path, load: Load, warm_up: float) -> Window:
    """Warm up, then one window; the requests of the warm-up come first in the file and are not sent again."""
    if warm_up:
        _wrk(server, requests, load, warm_up)
        time.sleep(SETTLE_S)
    postmaster = system.postmaster
    before, busy, sent = usage_of(server.pid), busy_seconds(), children_seconds()
    database, began = usage_of(postmaster), time.monotonic()
    result = _wrk(server, requests, load, load.seconds)
    sending = children_seconds() - sent
    time.sleep(SETTLE_S)  # what a service does after it has answered is part of the price
    after, stored = usage_of(server.pid), usage_of(postmaster)
    all_busy, took = busy_seconds() - busy, time.monotonic() - began
    cpu, postgres = after.cpu - before.cpu, stored.cpu - database.cpu
    count = max(int(result["requests"]), 1)
    return Window(
        requests=count,
        rps=count / (result["micros"] / 1e6),
        p50=result["p50"] / 1e3,
        p99=result["p99"] / 1e3,
        refused=int(result["refused"]),
        broken=int(result["broken"]),
        cpu=cpu * 1e3 / count,
        postgres_cpu=postgres * 1e3 / count,
        memory_mb=after.memory / 2**20,
        others=max(0.0, all_busy - cpu - postgres - sending) / took,
    )


def _wrk(server: Server, requests: Path, load: Load, seconds: float) -> dict[str, float]:
    program = shutil.which("wrk")
    if program is None:
        raise CannotMeasureError("wrk is not installed (Debian: apt-get install wrk)")
    pause = 0.0 if load.rate is None else 1e3 * load.connections / load.rate
    command = [
        *(
            program,
            "-t",
            str(load.threads),
            "-c",
            str(load.connections),
            "-d",
            f"{seconds:g}s",
            "--timeout",
            "10s",
        ),
        *("-s", str(SCRIPT), f"http://127.0.0.1:{server.port}/", "--"),
        *(str(requests), str(secrets.randbits(31)), f"{pause:.3f}"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            return dict(json.loads(line[7:]))
    raise CannotMeasureError(f"wrk failed: {done.stdout}{done.stderr}"[-500:])


# ------------------------------------------------------------------ what is asked of whom


def profile(_: random.Random, __: int) -> Request:
    """Who am I."""
    return Request("GET", "/profile")


def history(_: random.Random, __: int) -> Request:
    """Fifty rows of one's ledger, here."""
    return Request("GET", "/wallet/transactions?limit=50")


def peers_history(_: random.Random, __: int) -> Request:
    """Fifty rows of one's ledger, there."""
    return Request("GET", "/transactions?limit=50")


def withdrawal(generator: random.Random, _: int) -> Request:
    """Money leaves a wallet, once for each key."""
    amount = f"{generator.randint(1, 500) / 100:.2f}"
    return Request("POST", "/wallet/withdrawals", {"idempotency-key": MARK}, {"amount": amount})


def peers_money(generator: random.Random, _: int) -> Request:
    """The peer's one money request: a balance moves, once for each key."""
    amount = f"{generator.randint(1, 500) / 100:.2f}"
    body = {"amount": amount, "kind": "reward", "reference": "bench"}
    return Request("POST", "/transactions", {"idempotency-key": MARK}, body)


def decisions(versions: Sequence[int]) -> Maker:
    """Decide on posts, each once; *versions* are those of the posts, in the order of their numbers."""

    def make(generator: random.Random, number: int) -> Request:
        post = number % POSTS
        status = generator.choice(["approved", "rejected"])
        path = f"/vault/posts/{post_id(post + 1)}/validation"
        return Request(
            "POST", path, {"if-match": f'"{versions[post]}"'}, {"status": status, "reason": "bench"}
        )

    return make


def peers_decisions(generator: random.Random, number: int) -> Request:
    """The same, of the peer, which knows no versions."""
    path = f"/vault/posts/{post_id(number % POSTS + 1)}/validation"
    return Request(
        "POST", path, {}, {"status": generator.choice(["approved", "rejected"]), "reason": "bench"}
    )


def transfer_to(recipient: str) -> Maker:
    """Everybody pays the same person a cent."""

    def make(_: random.Random, __: int) -> Request:
        body = {"recipient_id": recipient, "amount": "0.01"}
        return Request("POST", "/wallet/transfers", {"idempotency-key": MARK}, body)

    return make
