"""The cases: who is asked what, from which state, and how one sees that the work was really done."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from urllib.request import Request as HttpRequest
from urllib.request import urlopen
from uuid import uuid4

from bench import load
from bench.load import Load, Maker, Window
from bench.people import ADMINS, PLAIN, POSTS, user_id
from bench.system import OURS, PEERS, CannotMeasureError, Server, System

READERS: Final = 200
ROWS_EACH: Final = 60
PAYERS: Final = 500
HOT: Final = PLAIN[PAYERS + 1]

Start = Callable[[System, Path | None], AbstractContextManager[Server]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Requests on a state that was made for them, and the check after the window.

    The check raises CannotMeasureError where an answer was not a good one, or the work behind it was not done.
    """

    make: Maker
    verify: Callable[[Window], None]


@dataclass(frozen=True, slots=True)
class Variant:
    """One target of a case: how it starts, and from which state it is asked what."""

    name: str
    start: Start
    prepare: Callable[[System, Server], Prepared]
    is_peer: bool = False


@dataclass(frozen=True, slots=True)
class Case:
    """A comparison: ours first, then what it is divided by, then what is only reported."""

    name: str
    title: str
    load: Load
    variants: tuple[Variant, ...]


def answered(window: Window) -> None:
    """Every answer was a good one."""
    if window.refused or window.broken:
        raise CannotMeasureError(f"{window.refused} requests were refused and {window.broken} broke")


def ours(relay: str = "off", module: str | None = None, workers: int = 1, **settings: str) -> Start:
    """Our service; *module* is another entry point than the shipped one."""
    return lambda system, _: system.lingualink(relay=relay, module=module, workers=workers, **settings)


def at_a_distance(round_trip_ms: float) -> Start:
    """Our service, its database behind a network."""
    return lambda system, _: system.lingualink_at_a_distance(round_trip_ms)


def peers(workers: int = 1, **settings: str) -> Start:
    """The peer, by default without its broadcast."""

    def start(system: System, folder: Path | None) -> AbstractContextManager[Server]:
        if folder is None:
            raise CannotMeasureError("BENCH_PEER names no peer")
        return system.nestjs(folder, workers=workers, **{"BROADCAST": "off", **settings})

    return start


def _reads(make: Maker) -> Callable[[System, Server], Prepared]:
    return lambda _, __: Prepared(make, answered)


# ------------------------------------------------------------------ states of ours, made over HTTP like every other


def _give(system: System, server: Server, gifts: list[tuple[int, str]]) -> None:
    """Admins give money: each gift is a user and an amount."""
    tokens = [system.mint.token(admin, "ES256") for admin in ADMINS]

    def give(numbered: tuple[int, tuple[int, str]]) -> None:
        number, (user, amount) = numbered
        request = HttpRequest(
            f"http://127.0.0.1:{server.port}/vault/users/{user_id(user)}/transactions",
            data=json.dumps({"kind": "bonus", "amount": amount, "note": "bench"}).encode(),
            headers={
                "Authorization": f"Bearer {tokens[number % len(tokens)]}",
                "Content-Type": "application/json",
                "Idempotency-Key": str(uuid4()),
            },
        )
        with urlopen(request, timeout=10):  # noqa: S310
            pass

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(give, enumerate(gifts)))


def _history(system: System, server: Server) -> Prepared:
    if not system.value(OURS, "select exists (select from public.wallet_transactions where amount = 1)"):
        _give(system, server, [(user, "1.00") for _ in range(ROWS_EACH) for user in PLAIN[:READERS]])
    system.settle(OURS)
    return Prepared(load.history, answered)


def _money(make: Maker) -> Callable[[System, Server], Prepared]:
    def prepare(system: System, server: Server) -> Prepared:
        if not system.value(
            OURS, "select exists (select from public.wallet_transactions where amount = 1000000)"
        ):
            _give(system, server, [(user, "1000000.00") for user in PLAIN[:PAYERS]])
        system.settle(OURS)
        before = _count(system)

        def verify(window: Window) -> None:
            answered(window)
            written = _count(system) - before
            if written < window.requests:  # more is right: there was a warm-up
                raise CannotMeasureError(f"{window.requests} answers, but {written} rows")
            if drift := system.value(OURS, _DRIFT):
                raise CannotMeasureError(f"{drift} balances are not the sum of their rows")

        return Prepared(make, verify)

    return prepare


_DRIFT: Final = """
select count(*) from public.wallets w
where balance <> coalesce((select sum(amount) from public.wallet_transactions t where t.user_id = w.user_id), 0)
"""


def _count(system: System) -> int:
    return int(str(system.value(OURS, "select count(*) from public.wallet_transactions")))


def _decisions(system: System, _: Server) -> Prepared:
    """Every post is pending again; no rate is set, so that a decision pays nobody, as at the peer."""
    system.run(
        OURS,
        "update public.posts set validation_status = 'pending', validated_by = null, validated_at = null, "
        "validation_reason = null where validation_status <> 'pending'",
    )
    system.settle(OURS)
    rows = system.rows(OURS, "select version from public.posts order by id")
    return Prepared(load.decisions([int(str(row[0])) for row in rows]), answered)


# ------------------------------------------------------------------ states of the peer


def _peers_history(system: System, _: Server) -> Prepared:
    if not system.value(PEERS, "select exists (select from public.transactions where reference = 'history')"):
        system.run(PEERS, _PEERS_HISTORY)
    system.settle(PEERS)
    return Prepared(load.peers_history, answered)


_PEERS_HISTORY: Final = f"""
insert into public.transactions (user_id, amount, kind, reference, idempotency_key, balance_after, created_at)
select p.id, 1.00, 'reward', 'history', 'history-' || n, 1000.00 + n, now() - (1000 - n) * interval '1 minute'
from generate_series(1, {ROWS_EACH}) n, (select id from public.profiles order by id limit {READERS * 2}) p
"""


def _peers_money(system: System, _: Server) -> Prepared:
    system.settle(PEERS)
    return Prepared(load.peers_money, answered)


def _peers_decisions(system: System, _: Server) -> Prepared:
    system.run(
        PEERS,
        "update public.posts set validation_status = 'pending', validated_by = null, validated_at = null "
        "where validation_status <> 'pending'",
    )
    system.settle(PEERS)
    return Prepared(load.peers_decisions, answered)


# ------------------------------------------------------------------ the list


def _pair(
    prepare: Callable[[System, Server], Prepared],
    peers_prepare: Callable[[System, Server], Prepared],
    *further: Variant,
    relay: str = "off",
    broadcast: str = "off",
    workers: int = 1,
) -> tuple[Variant, ...]:
    return (
        Variant("lingualink", ours(relay, workers=workers), prepare),
        Variant("nestjs", peers(workers, BROADCAST=broadcast), peers_prepare, is_peer=True),
        *further,
    )


def _compared(
    name: str,
    title: str,
    load: Load,
    prepare: Callable[[System, Server], Prepared],
    peers_prepare: Callable[[System, Server], Prepared],
    *further: Variant,
    relay: str = "off",
    broadcast: str = "off",
) -> tuple[Case, Case]:
    """With one worker each, beside what is *further* reported, and with two."""
    one = _pair(prepare, peers_prepare, *further, relay=relay, broadcast=broadcast)
    two = _pair(prepare, peers_prepare, relay=relay, broadcast=broadcast, workers=2)
    return Case(name, title, load, one), Case(f"{name}-two", f"{title}; two workers", load, two)


READ: Final = Load()
DECISIONS: Final = Load(staff=True, records=POSTS)
MONEY: Final = Load(users=PAYERS, pool=PAYERS, records=4_000)
ALONE: Final = Variant("lingualink, alone", ours(module="bench.alone"), _money(load.withdrawal))
SINGLE: Final = Variant("nestjs, one statement", peers(TX_MODE="single"), _peers_money, is_peer=True)

DISTANCES: Final = tuple(
    Variant(f"{milliseconds} ms", at_a_distance(milliseconds), _money(load.withdrawal))
    for milliseconds in (0, 1, 5)
)

CASES: Final = {
    case.name: case
    for case in (
        *_compared("profile", "`GET /profile`, ES256", READ, _reads(load.profile), _reads(load.profile)),
        *_compared(
            "profile-hs256",
            "`GET /profile`, HS256",
            replace(READ, algorithm="HS256"),
            _reads(load.profile),
            _reads(load.profile),
        ),
        *_compared(
            "history", "history, 50 rows", Load(users=READERS, pool=READERS), _history, _peers_history
        ),
        *_compared("vault", "vault validation", DECISIONS, _decisions, _peers_decisions),
        *_compared("money", "money, relay off", MONEY, _money(load.withdrawal), _peers_money, SINGLE, ALONE),
        *_compared(
            "money-events",
            "money with events published",
            MONEY,
            _money(load.withdrawal),
            _peers_money,
            relay="inline",
            broadcast="on",
        ),
        Case(
            "money-lone",
            "money, one connection",
            replace(MONEY, connections=1),
            _pair(_money(load.withdrawal), _peers_money),
        ),
        *(
            Case(
                f"money-{connections}",
                f"money, {connections} connections, grouped and alone",
                replace(MONEY, connections=connections),
                (Variant("lingualink", ours(), _money(load.withdrawal)), ALONE),
            )
            for connections in (1, 8, 128)
        ),
        Case(
            "profile-half",
            "`GET /profile` at 1,200 requests a second",
            replace(READ, rate=1_200),
            _pair(_reads(load.profile), _reads(load.profile)),
        ),
        Case(
            "log",
            "`GET /profile`, HS256, with and without a line in the log",
            replace(READ, algorithm="HS256"),
            (
                Variant("lingualink", ours(), _reads(load.profile)),
                Variant("lingualink, silent", ours(LINGUALINK_LOG_LEVEL="warning"), _reads(load.profile)),
            ),
        ),
        Case(
            "vault-half",
            "vault validation at 400 requests a second",
            replace(DECISIONS, rate=400),
            _pair(_decisions, _peers_decisions),
        ),
        Case(
            "money-half",
            "money at 400 requests a second",
            replace(MONEY, rate=400),
            _pair(_money(load.withdrawal), _peers_money),
        ),
        Case(
            "distance-lone",
            "money by round trip to the database, one connection",
            replace(MONEY, connections=1),
            DISTANCES,
        ),
        Case(
            "distance",
            "money by round trip to the database, 32 connections",
            MONEY,
            DISTANCES,
        ),
        Case(
            "hot-wallet",
            "everybody pays one wallet, 64 at a time",
            replace(MONEY, connections=64),
            tuple(
                Variant(name, ours(module=module), _money(load.transfer_to(user_id(HOT))))
                for name, module in (("lingualink", None), (ALONE.name, "bench.alone"))
            ),
        ),
    )
}
"""By name, in the order in which they are run."""
