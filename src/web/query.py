"""Parameters of path and query: their types, and the query read strictly, before Litestar converts it."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import unquote_to_bytes

from litestar.params import PathParameter, QueryParameter

from web.problems import FieldProblem, HttpProblem

# Lower case, hyphenated, not nil: one spelling for each id.
UUID_PATTERN: Final = "^(?!00000000-0000-0000-0000-000000000000$)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
NO_NUL: Final = "^[^\\u0000]*$"

UuidPath = Annotated[
    str, PathParameter(pattern=UUID_PATTERN, max_length=36, description="Lower-case hyphenated.")
]
UuidQuery = Annotated[str | None, QueryParameter(pattern=UUID_PATTERN, max_length=36)]
TextQuery = Annotated[str | None, QueryParameter(pattern=NO_NUL, max_length=100)]
# ``query`` itself is a reserved word of Litestar's.
SearchQuery = Annotated[str | None, QueryParameter(name="query", pattern=NO_NUL, max_length=100)]

_BROKEN_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})|[^\x21-\x7e]")
_FORMS: Final = {
    int: (re.compile(r"-?[0-9]{1,20}", re.ASCII), "must be a whole number"),
    datetime: (
        re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}.*", re.ASCII),
        "must be a time with an offset, such as 2026-01-31T12:00:00Z",
    ),
}

Form = tuple[re.Pattern[str], str]
Parameters = Mapping[str, Form | None]
"""By name: the form that a value must have and what to say otherwise, where Litestar would take more."""


def form_of(field: Any) -> Form | None:
    """What a value must look like for *field*, Litestar's definition of a parameter."""
    return next(
        (
            form
            for kind, form in _FORMS.items()
            if field.is_subclass_of(kind) or field.has_inner_subclass_of(kind)
        ),
        None,
    )


def check_query(query: bytes, parameters: Parameters) -> Mapping[str, str]:
    """What *query* says: each parameter is known, stands once, and has a value.

    Empty, blank and ``null`` have no meaning here, rather than three.

    Raises:
        HttpProblem: ``invalid_request``, naming the parameters at fault.
    """
    if _BROKEN_ESCAPE.search(query):
        raise HttpProblem("invalid_request", "The query is not percent-encoded UTF-8.")
    try:
        pairs = (pair.partition(b"=") for pair in query.split(b"&"))
        sent = [(_decoded(name), _decoded(value)) for name, _, value in pairs]
    except UnicodeDecodeError:
        raise HttpProblem("invalid_request", "The query is not percent-encoded UTF-8.") from None
    faults = list(_faults(sent, parameters))
    if faults:
        raise HttpProblem("invalid_request", "The query can't be understood.", faults)
    return dict(sent)


def _decoded(text: bytes) -> str:
    return unquote_to_bytes(text.replace(b"+", b" ")).decode()


def _faults(sent: Iterable[tuple[str, str]], parameters: Parameters) -> Iterable[FieldProblem]:
    seen = set()
    for name, value in sent:
        if name not in parameters:
            yield FieldProblem(name[:100], "is no parameter of this address")
        elif name in seen:
            yield FieldProblem(name, "stands more than once")
        elif not value.strip() or value == "null":
            yield FieldProblem(name, "has no value; leave it out")
        elif (form := parameters[name]) and not form[0].fullmatch(value):
            yield FieldProblem(name, form[1])
        seen.add(name)


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
