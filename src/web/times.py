"""Times in query parameters."""

from datetime import UTC, datetime

from web.problems import FieldProblem, HttpProblem


def instant(name: str, value: datetime | None) -> datetime | None:
    """The parameter *name* in UTC; None without it.

    Raises:
        HttpProblem: it has no offset (RFC 3339 wants one), or no date in UTC.
    """
    if value is None:
        return None
    try:
        if value.tzinfo is not None:
            return value.astimezone(UTC)
    except OverflowError:
        pass
    problem = FieldProblem(name, "must be a time with an offset, such as 2026-01-31T12:00:00Z")
    raise HttpProblem("invalid_request", "The request does not fit its schema.", [problem])
