"""The claims of devstack/FIDELITY.md, and what a run of their tests says of each."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import devstack

DOCUMENT = Path(devstack.__file__).with_name("FIDELITY.md")


@dataclass(frozen=True, slots=True)
class Claim:
    """One line of the document, and the tests that prove it."""

    text: str
    tests: tuple[str, ...]


def claims() -> list[Claim]:
    """All that is listed under *Matches*."""
    matches = DOCUMENT.read_text().split("## Matches")[1].split("## Does not match")[0]
    lines = [line.removeprefix("- ") for line in matches.splitlines() if line.startswith("- ")]
    return [Claim(line, tuple(re.findall(r"`(test_\w+)`", line))) for line in lines]


def verdict(claim: Claim, outcomes: Mapping[str, bool]) -> str:
    """What the tests that ran say of *claim*; *outcomes* tells of each whether it passed in all of its forms."""
    seen = [outcomes[test] for test in claim.tests if test in outcomes]
    if not seen:
        return "not seen"
    if not all(seen):
        failed = [test for test in claim.tests if outcomes.get(test) is False]
        return f"FALSE: {', '.join(failed)}"
    return (
        "true"
        if len(seen) == len(claim.tests)
        else f"true, as far as seen ({len(seen)} of {len(claim.tests)})"
    )
