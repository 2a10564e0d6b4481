"""What a check found. A check is an async generator of findings, and looks at one thing."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

SHOWN: Final = 20
"""How many of many things are named."""


class Severity(StrEnum):
    """Whether something must be done (the command exits with 1), should be known, or is well as it is."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be; *code* is stable, *fix* says what to do about it."""

    severity: Severity
    code: str
    message: str
    fix: str

    def __str__(self) -> str:
        """The finding on one line."""
        fix = f" Fix: {self.fix}" if self.fix else ""
        return " ".join(f"{self.severity} {self.code}: {self.message}.{fix}".split())


Findings: TypeAlias = AsyncIterator[Finding]


def error(code: str, message: str, fix: str) -> Finding:
    """Something that must be done."""
    return Finding(Severity.ERROR, code, message, fix)


def warning(code: str, message: str, fix: str) -> Finding:
    """Something that should be known."""
    return Finding(Severity.WARNING, code, message, fix)


def note(code: str, message: str) -> Finding:
    """Something that is as it should be, and good to know."""
    return Finding(Severity.NOTE, code, message, "")


def listed(values: Sequence[object], count: int) -> str:
    """*values*, which are the first of *count*."""
    return ", ".join(map(str, values)) + (", …" if count > len(values) else "")
