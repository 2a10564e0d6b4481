"""Figures to tables, tables to ``docs/performance.md``, and the goals that a later change must not lose."""

import json
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.cases import Case
from bench.load import Window

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "performance.md"
GOALS: Final = Path(__file__).with_name("goals.json")
NOISE: Final = 1.2
"""Two runs of the same code differ by up to this factor on a machine that others use too."""


@dataclass
class Figures:
    """The windows of a case, by target, in the order of the rounds."""

    case: Case
    windows: dict[str, list[Window]] = field(default_factory=dict)

    def add(self, target: str, window: Window) -> None:
        """One round's window."""
        self.windows.setdefault(target, []).append(window)

    def mid(self, target: str, what: str) -> float:
        """The median over the rounds."""
        return float(median(getattr(window, what) for window in self.windows[target]))

    def ratio(self, what: str) -> tuple[float, float, float] | None:
        """Least, median and greatest quotient of the first target and the peer after it, within each round."""
        peers = {variant.name for variant in self.case.variants if variant.is_peer}
        if len(self.windows) < 2 or list(self.windows)[1] not in peers:
            return None
        first, second, *_ = self.windows.values()
        quotients = [
            getattr(a, what) / getattr(b, what)
            for a, b in zip(first, second, strict=True)
            if getattr(b, what)
        ]
        return (min(quotients), median(quotients), max(quotients)) if quotients else None

    def rows(self) -> list[str]:
        """A line for each target."""
        ratio = self.ratio("cpu")
        told = "" if ratio is None else f"**{ratio[1]:.2f}** ({ratio[0]:.2f} to {ratio[2]:.2f})"
        lines = []
        for number, target in enumerate(self.windows):
            words = [
                *(self.case.title if number == 0 else "", target, f"{self.mid(target, 'rps'):,.0f}"),
                *(f"{self.mid(target, what):.1f}" for what in ("p50", "p99")),
                *(f"{self.mid(target, what):.3f}" for what in ("cpu", "postgres_cpu")),
                f"{self.mid(target, 'memory_mb'):.0f}",
                f"{self.mid(target, 'others'):.2f}",
                told if number == 0 else "",
            ]
            lines.append(f"| {' | '.join(words)} |")
        return lines

    def as_dict(self) -> dict[str, Any]:
        """Every window, for JSON."""
        return {
            "case": self.case.name,
            "windows": {name: [window.as_dict() for window in all_] for name, all_ in self.windows.items()},
        }


HEAD: Final = (
    "| case | target | requests/s | p50 ms | p99 ms | CPU s / 1,000 | PostgreSQL CPU s / 1,000 | MB | others, cores "
    "| CPU, ours ÷ peer's (least to greatest) |\n"
    "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|"
)


def table(figures: list[Figures]) -> str:
    """All cases as one table."""
    return "\n".join([HEAD, *(row for one in figures for row in one.rows())])


def lost_goals(figures: list[Figures], goals: dict[str, float] | None = None) -> list[str]:
    """A line for each reached goal that these figures miss by more than the noise."""
    wanted = json.loads(GOALS.read_text()) if goals is None else goals
    lines = []
    for one in figures:
        goal, ratio = wanted.get(one.case.name), one.ratio("cpu")
        if goal is not None and ratio is not None and ratio[1] > goal * NOISE:
            lines.append(
                f"bench: {one.case.name} costs {ratio[1]:.2f} of the peer's CPU; {goal:.2f} was reached"
            )
    return lines


def write(figures: list[Figures]) -> None:
    """Put the table, dated, between its marks in ``docs/performance.md``."""
    _write("figures", table(figures))


def write_relay(told: str) -> None:
    """The same of the relay's table."""
    _write("relay", told)


def _write(mark: str, told: str) -> None:
    begin, end = f"<!-- {mark} -->", f"<!-- /{mark} -->"
    section = f"{begin}\n{_machine()}\n\n{told}\n{end}"
    PAGE.write_text(re.sub(f"{begin}.*{end}", lambda _: section, PAGE.read_text(), flags=re.DOTALL))


def _machine() -> str:
    words = {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _said("git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"),
        "machine": f"{platform.system()} {platform.release()}, {len(_cores())} cores ({_cores()[0]})",
        "Python": platform.python_version(),
        "Node": _said("node", "--version"),
        "wrk": _said("wrk", "-v").split(" ", 2)[1] if shutil.which("wrk") else "",
    }
    return ", ".join(f"{name} {value}" for name, value in words.items())


def _cores() -> list[str]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return [line.partition(":")[2].strip() for line in lines if line.startswith("model name")] or ["unknown"]


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()
