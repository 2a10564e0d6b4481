"""``make bench``: our service and its NestJS peer, in turn, on the same PostgreSQL, with the same tokens.

Variants take turns within a round (A B A B), and a ratio is formed within its round; the median over the rounds is
what is reported. A window in which other processes used more than ``--quiet`` cores is repeated, and the quietest one
counts, whatever it shows. The peer stays outside: ``BENCH_PEER`` names its folder, built; without it there are our
figures alone and no ratio. Ends with 1 when a goal of ``bench/goals.json`` is lost by more than the noise.
"""

import argparse
import json
import os
import secrets
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from bench.cases import CASES, Case, Variant
from bench.load import Window, measure, write_requests
from bench.relay import FLAT, Windows, flatness, measure_relay, relay_table
from bench.report import NOISE, Figures, lost_goals, table, write, write_relay
from bench.system import CannotMeasureError, Server, System

RELAY = "relay"
"""The case that no request comes in: see :mod:`bench.relay`."""


def main() -> int:
    """Measure what the command line asks for; 1 where a goal is lost, 2 where nothing could be measured."""
    options = _options()
    try:
        figures, drained = _measured(options)
    except CannotMeasureError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    lost = [] if drained is None else _relay_report(drained, options)
    if figures:
        print(table(figures))
        lost += lost_goals(figures)
        if options.write:
            write(figures)
    if options.json:
        options.json.write_text(json.dumps([one.as_dict() for one in figures], indent=1))
    print("\n".join(lost), file=sys.stderr)
    return 1 if lost else 0


def _measured(options: argparse.Namespace) -> tuple[list[Figures], Windows | None]:
    cases = options.case or [*CASES, RELAY]
    peer = Path(os.environ["BENCH_PEER"]) if os.environ.get("BENCH_PEER") else None
    with (
        tempfile.TemporaryDirectory(prefix="lingualink-bench-") as folder,
        System(Path(folder)) as system,
    ):
        if peer is not None:
            system.make_peers(peer)
        figures = [_run(CASES[name], system, peer, options) for name in cases if name in CASES]
        return figures, measure_relay(system, options.rounds) if RELAY in cases else None


def _relay_report(drained: Windows, options: argparse.Namespace) -> list[str]:
    print(relay_table(drained))
    if options.write:
        write_relay(relay_table(drained))
    if (more := flatness(drained)) > FLAT * NOISE:
        return [f"bench: an event costs {more:.2f} times as much where many wait; {FLAT:.2f} was reached"]
    return []


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--case", action="append", choices=[*CASES, RELAY], help="only this one; may be repeated"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5, help="of one window")
    parser.add_argument("--warm-up", type=float, default=2)
    parser.add_argument("--quiet", type=float, default=0.25, help="cores that others may use in a window")
    parser.add_argument("--retries", type=int, default=2, help="how often a noisy window is repeated")
    parser.add_argument("--json", type=Path, help="where the raw figures go")
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    return parser.parse_args()


def _run(case: Case, system: System, peer: Path | None, options: argparse.Namespace) -> Figures:
    figures = Figures(case)
    variants = [variant for variant in case.variants if peer is not None or not variant.is_peer]
    with ExitStack() as stack:
        servers = [stack.enter_context(variant.start(system, peer)) for variant in variants]
        for number in range(options.rounds):
            seed = secrets.randbits(32)
            for variant, server in zip(variants, servers, strict=True):
                window = _quietest(case, variant, server, system, seed, options)
                figures.add(variant.name, window)
                print(
                    f"{case.name}, round {number + 1}, {variant.name}: {window.cpu:.3f} s CPU, "
                    f"{window.rps:,.0f}/s, p99 {window.p99:.1f} ms, others {window.others:.2f}",
                    flush=True,
                )
    return figures


def _quietest(
    case: Case, variant: Variant, server: Server, system: System, seed: int, options: argparse.Namespace
) -> Window:
    windows: list[Window] = []
    load = replace(case.load, seconds=options.seconds)
    requests = system.folder / "requests"
    while len(windows) <= options.retries:
        prepared = variant.prepare(system, server)
        write_requests(requests, server, prepared.make, load, system.mint, seed)
        windows.append(measure(server, system, requests, load, options.warm_up))
        prepared.verify(windows[-1])
        if windows[-1].others <= options.quiet:  # chosen by the noise alone, never by the result
            break
    return min(windows, key=lambda window: window.others)


if __name__ == "__main__":
    sys.exit(main())
