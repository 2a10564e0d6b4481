"""``make growth``: the same requests on a small and on a large database, and what each of their statements touches.

Every statement is seen as it runs, those inside functions and triggers too: its plan, the buffers (8 kB) that it reads
and its time, by PostgreSQL's auto_explain. Where a plan differs between the two sizes it is printed whole.
"""

import argparse
import json
import re
import secrets
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

import httpx

from bench.people import ADMINS, PLAIN, POSTS, post_id, user_id
from bench.system import OURS, System
from infrastructure.postgres import idempotency, queries

FEW: Final = 10_000
EACH: Final = 10
"""Ledger rows of a person; those who are asked have more than a page."""
ASKED: Final = PLAIN[:30]
PAGE: Final = 60
WATCHED: Final = (
    "session_preload_libraries = 'auto_explain'",
    "auto_explain.log_analyze = on",
    "auto_explain.log_buffers = on",
    "auto_explain.log_timing = off",
    "auto_explain.log_nested_statements = on",
    "auto_explain.log_format = 'json'",
)
FILL: Final = (
    (
        "insert into auth.users (id, aud, role) select md5(i::text)::uuid, 'authenticated', 'authenticated' "
        "from generate_series(1, {people}) i"
    ),
    (
        "insert into auth.sessions (id, user_id, created_at, aal) select gen_random_uuid(), md5(i::text)::uuid, "
        "now(), 'aal1' "
        "from generate_series(1, {people}) i"
    ),
    (
        "insert into public.profiles (id, username) select md5(i::text)::uuid, 'more_' || i "
        "from generate_series(1, {people}) i"
    ),
    (
        "insert into public.posts (author_id, kind, title, language) "
        "select md5(i::text)::uuid, 'text', 'Post', 'sw' from generate_series(1, {people}) i"
    ),
    (
        "insert into private.idempotency_keys (user_id, key, fingerprint, status, body, created_at) "
        "select md5(i::text)::uuid, gen_random_uuid()::text, sha256('x'), 201, '{{}}', "
        "now() - random() * interval '30 days' "
        "from generate_series(1, {people}) i"
    ),
    (
        "insert into public.wallet_transactions "
        "(id, user_id, kind, amount, balance_after, version, reference_id, created_at, hash) "
        "select gen_random_uuid(), id, 'earning', 1, v, v, gen_random_uuid(), "
        "now() - interval '2 years' + v * interval '1 hour', sha256('x') "
        "from generate_series(1, {page}) v, (select id, username from public.profiles) p "
        "where v <= {each} or id::text = any ('{{{asked}}}')"
    ),
    (
        "insert into private.ledger_entries (reference_id, account, amount, created_at) "
        "select id, 'rewards', -1, created_at from public.wallet_transactions"
    ),
    (
        "insert into public.wallets (user_id, balance, version, hash) "
        "select user_id, max(version), max(version), sha256('x') from public.wallet_transactions group by user_id"
    ),
)
TABLES: Final = (
    *("auth.users", "auth.sessions", "public.profiles", "public.posts", "private.idempotency_keys"),
    *("public.wallet_transactions", "private.ledger_entries", "public.wallets"),
)


RELOAD: Final = "select pg_reload_conf()"
_ENTRY: Final = re.compile(r"duration: (?P<ms>[\d.]+) ms  plan:\n(?P<plan>\t\{\n.*?\n\t\})", re.DOTALL)
_KNOWN: Final = {
    " ".join(text.split()): name.lower()
    for name, text in {**vars(queries), **vars(idempotency)}.items()
    if name.isupper() and isinstance(text, str) and " " in text
}


@dataclass
class Statement:
    """What was seen of a statement: its plans without their figures, and of each run the buffers and milliseconds."""

    plans: set[str] = field(default_factory=set)
    buffers: list[int] = field(default_factory=list)
    ms: list[float] = field(default_factory=list)


class Seen(defaultdict[tuple[str, str], Statement]):
    """By request and statement."""

    def __init__(self) -> None:
        super().__init__(Statement)


def main() -> int:
    """Measure both sizes and print what each statement did; 1 where one of them has another plan."""
    parser = argparse.ArgumentParser(prog="bench.growth", description=__doc__)
    parser.add_argument(
        "--people", type=int, default=1_000_000, help=f"of the large; {EACH} ledger rows each"
    )
    few, many = (_measure(number) for number in (FEW, parser.parse_args().people))
    changed = []
    print("| request | statement | buffers, few | buffers, many | ms, few | ms, many |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for key in sorted(few.keys() & many.keys()):
        a, b = few[key], many[key]
        print(
            f"| {key[0]} | {key[1]} | {median(a.buffers):.0f} | {median(b.buffers):.0f} "
            f"| {median(a.ms):.2f} | {median(b.ms):.2f} |"
        )
        if a.plans != b.plans:
            changed.append((key, a.plans, b.plans))
    for key, before, after in changed:
        print(f"{key}:\n  few:  {before}\n  many: {after}", file=sys.stderr)
    return 1 if changed else 0


def _measure(people: int) -> Seen:
    with tempfile.TemporaryDirectory(prefix="lingualink-growth-") as folder, System(Path(folder)) as system:
        _fill(system, people)
        system.run("postgres", *(f"alter system set {line}" for line in WATCHED), RELOAD)
        with system.lingualink() as server, httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as http:
            for _ in range(2):  # prepares statements, fills caches
                for _, request in _requests(system):
                    http.send(http.build_request(**request)).raise_for_status()
            system.run("postgres", "alter system set auto_explain.log_min_duration = 0", RELOAD)
            log, seen = system.postgres.home / "postgres.log", Seen()
            for name, request in _requests(system):
                began = log.stat().st_size
                http.send(http.build_request(**request)).raise_for_status()
                time.sleep(0.05)
                with log.open() as lines:
                    lines.seek(began)
                    _read(name, lines.read(), seen)
            return seen


def _fill(system: System, people: int) -> None:
    values = {"people": people, "page": PAGE, "each": EACH, "asked": ",".join(map(user_id, ASKED))}
    system.run(
        OURS,
        *(f"alter table {table} disable trigger user" for table in TABLES),
        *(statement.format(**values) for statement in FILL),
        *(f"alter table {table} enable trigger user" for table in TABLES),
    )
    system.settle(OURS)


def _requests(system: System) -> Iterator[tuple[str, dict[str, Any]]]:
    """One of each sort for each of those who are asked."""
    staff = {"Authorization": f"Bearer {system.mint.token(ADMINS[0], 'ES256')}"}
    for number in ASKED:
        own = {"Authorization": f"Bearer {system.mint.token(number, 'ES256')}"}
        for path in ("/profile", "/wallet", "/wallet/transactions?limit=50"):
            yield f"GET {path}", {"method": "GET", "url": path, "headers": own}
        paid = {"method": "POST", "headers": own | {"Idempotency-Key": secrets.token_hex(16)}}
        yield "a withdrawal", paid | {"url": "/wallet/withdrawals", "json": {"amount": "0.01"}}
        transfer = {"recipient_id": user_id(ASKED[0] if number != ASKED[0] else ASKED[1]), "amount": "0.01"}
        paid = {"method": "POST", "headers": own | {"Idempotency-Key": secrets.token_hex(16)}}
        yield "a transfer", paid | {"url": "/wallet/transfers", "json": transfer}
        for path in ("/vault/posts", "/vault/audit-log", "/vault/withdrawals"):
            yield f"GET {path}", {"method": "GET", "url": path, "headers": staff}
        post = secrets.randbelow(POSTS) + 1
        decision = {"status": "rejected", "reason": secrets.token_hex(4)}
        yield (
            "a decision",
            {
                "method": "POST",
                "url": f"/vault/posts/{post_id(post)}/validation",
                "headers": staff,
                "json": decision,
            },
        )


def _read(request: str, log: str, seen: Seen) -> None:
    """Add what the *log* says of each statement of a request."""
    for entry in _ENTRY.finditer(log):
        told = json.loads(entry["plan"].replace("\n\t", "\n"))
        statement = seen[request, _name(told["Query Text"])]
        plan = told["Plan"]
        statement.plans.add(_shape(plan))
        statement.buffers.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
        statement.ms.append(float(entry["ms"]))


def _name(text: str) -> str:
    words = " ".join(text.split())
    return _KNOWN.get(words) or words[:60].replace("|", " ")


def _shape(plan: dict[str, Any]) -> str:
    """A plan without its figures: what is done, by which index, to which table."""
    inner = [_shape(child) for child in plan.get("Plans", ())]
    own = " ".join(str(plan[key]) for key in ("Node Type", "Index Name", "Relation Name") if key in plan)
    return f"{own}({', '.join(inner)})" if inner else own


if __name__ == "__main__":
    sys.exit(main())
