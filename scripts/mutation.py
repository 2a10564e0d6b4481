"""Break the rules line by line, see which breaks the tests notice, and end with 1 when it is too few.

mutmut makes the breaks and runs the tests (``[tool.mutmut]`` in pyproject.toml); this reads what it found.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
STATISTICS = ROOT / "mutants" / "mutmut-cicd-stats.json"
FLOOR_PERCENT = 75
"""A little under what was measured; what survives is mostly words of messages and of docstrings."""


def run(*arguments: str) -> None:
    """Run mutmut, or end with its status."""
    mutmut = Path(sys.executable).with_name("mutmut")
    status = subprocess.run([mutmut, *arguments], cwd=ROOT, check=False).returncode  # noqa: S603 - our own arguments
    if status:
        sys.exit(status)


def main() -> None:
    """Run all, print the survivors and the figure."""
    run("run")
    run("results")
    run("export-cicd-stats")
    counts = json.loads(STATISTICS.read_text())
    tried = counts["total"] - counts["skipped"] - counts["no_tests"]
    noticed = counts["killed"] + counts["timeout"]
    percent = 100 * noticed / tried
    sys.stdout.write(
        f"{noticed} of {tried} breaks were noticed: {percent:.1f} % (at least {FLOOR_PERCENT} %)\n"
    )
    sys.exit(percent < FLOOR_PERCENT)


if __name__ == "__main__":
    main()
