"""What a check found."""

from dataclasses import dataclass
from enum import StrEnum


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


def error(code: str, message: str, fix: str) -> Finding:
    """Something that must be done."""
    return Finding(Severity.ERROR, code, message, fix)


def warning(code: str, message: str, fix: str) -> Finding:
    """Something that should be known."""
    return Finding(Severity.WARNING, code, message, fix)


def note(code: str, message: str) -> Finding:
    """Something that is as it should be, and good to know."""
    return Finding(Severity.NOTE, code, message, "")
