"""What an event costs the relay alone, into a sink that answers each message at once, with few and with many waiting.

``lingualink relay`` runs as it ships; counted is from the first thousand events on, so that its start is no part.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from typing import Final

from bench.load import SETTLE_S
from bench.processes import busy_seconds, usage_of
from bench.system import OURS, Server, System

EVENTS: Final = 10_000
"""How many are sent in a window, ..."""
FIRST: Final = 1_000
"""... how many of these before it begins, ..."""
BACKLOGS: Final = (10_000, 1_000_000)
"""... and how many wait when it begins."""
FLAT: Final = 1.2
"""What an event may cost more with the longer backlog."""
PATIENCE_S: Final = 120

_FILL: Final = """
insert into private.realtime_outbox (event_id, topic, event, payload)
select event, 'user:' || who, 'balance_updated', jsonb_build_object(
  'event_id', event, 'user_id', who, 'transaction_id', gen_random_uuid(), 'kind', 'withdrawal', 'amount', '-1.00',
  'balance', '999.00', 'currency', 'USD', 'version', n, 'epoch', 1, 'occurred_at', now()
)
from generate_series(1, {count}) n,
     lateral (select gen_random_uuid() as event, '00000000-0000-4000-8000-' || lpad((n % 500)::text, 12, '0') as who) e
"""


@dataclass(frozen=True, slots=True)
class Drained:
    """What one window showed: events a second, CPU in milliseconds for an event, MB, cores that others used."""

    rate: float
    cpu: float
    postgres_cpu: float
    memory_mb: float
    others: float


Windows = dict[int, list[Drained]]
"""The windows by how many events waited, in the order of the rounds."""


def measure_relay(system: System, rounds: int) -> Windows:
    """Backlogs take turns, each in a database of its own."""
    system.run("postgres", *(f'create database "{_database(size)}" template "{OURS}"' for size in BACKLOGS))
    windows: Windows = {size: [] for size in BACKLOGS}
    for number in range(rounds):
        for size in BACKLOGS:
            windows[size].append(_drain(system, size))
            print(
                f"relay, round {number + 1}, {size:,} waiting: {windows[size][-1].rate:,.0f} events/s",
                flush=True,
            )
    return windows


def _database(size: int) -> str:
    return f"{OURS}_{size}"


def _drain(system: System, size: int) -> Drained:
    database = _database(size)
    system.run(database, "delete from private.realtime_outbox where delivered_at is not null")
    waiting = int(str(system.value(database, "select count(*) from private.realtime_outbox")))
    system.run(database, _FILL.format(count=size - waiting))
    system.settle(database)
    sent = system.messages_taken()
    with system.relay(database) as relay:
        _until(system, sent + FIRST)
        with _window(system, relay) as window:
            _until(system, sent + EVENTS)
    return window[0]


@contextmanager
def _window(system: System, relay: Server) -> Iterator[list[Drained]]:
    """Counts what the block takes; the result is there when it is left."""
    result: list[Drained] = []
    taken, busy, began = system.messages_taken(), busy_seconds(), time.monotonic()
    before, stored = usage_of(relay.pid), usage_of(system.postmaster)
    yield result
    took, count = time.monotonic() - began, system.messages_taken() - taken
    after, stored_after = usage_of(relay.pid), usage_of(system.postmaster)
    cpu, postgres = after.cpu - before.cpu, stored_after.cpu - stored.cpu
    others = max(0.0, busy_seconds() - busy - cpu - postgres) / took
    result.append(
        Drained(count / took, cpu * 1e3 / count, postgres * 1e3 / count, after.memory / 2**20, others)
    )


def _until(system: System, count: int) -> None:
    end = time.monotonic() + PATIENCE_S
    while system.messages_taken() < count:
        if time.monotonic() > end:
            raise TimeoutError(f"the relay did not send {count} messages")
        time.sleep(SETTLE_S / 10)


def relay_table(windows: Windows) -> str:
    """The medians as a table, and how much more an event costs with the longer backlog."""
    lines = [
        "| events waiting | events/s | relay's CPU ms an event | PostgreSQL's | MB | others (the sink too), cores |",
        "| ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for size, drained in windows.items():
        rate, cpu, postgres, memory, others = (
            median(getattr(one, what) for one in drained) for what in Drained.__slots__
        )
        lines.append(f"| {size:,} | {rate:,.0f} | {cpu:.3f} | {postgres:.3f} | {memory:.0f} | {others:.2f} |")
    return "\n".join(
        [*lines, "", f"CPU of both with the longer backlog: {flatness(windows):.2f} of the shorter."]
    )


def flatness(windows: Windows) -> float:
    """CPU of relay and PostgreSQL for an event, the longest backlog's ÷ the shortest's: the median of the rounds."""
    short, *_, long = windows.values()
    return float(
        median((b.cpu + b.postgres_cpu) / (a.cpu + a.postgres_cpu) for a, b in zip(short, long, strict=True))
    )
