"""The query string of PostgREST's requests, read into plain values; names in it are not yet known to exist."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from devstack.rest.errors import RestError

MAX_ROWS = 1_000
_NAME = r'(?:"(?:[^"\\]|\\.)*"|[\w$ ]+(?:-(?!>)[\w$ ]+)*)'
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[(),"]|[^"(),]+')
_ITEM = re.compile(
    rf"(?:({_NAME}):(?!:))?({_NAME}|\*)((?:!{_NAME})*)(?:\((.*)\))?(?:::(\w[\w ]*))?", re.DOTALL
)
_TERM = re.compile(rf"({_NAME})(?:\.(asc|desc))?(?:\.nulls(first|last))?")
_OPERATORS = "isdistinct|i?match|i?like|neq|eq|gte|gt|lte|lt|in|is|cs|cd|ov"
_CONDITION = re.compile(rf"(not\.)?({_OPERATORS})\.(.*)", re.DOTALL)
_GROUP = re.compile(r"\s*(not\.)?(and|or)\s*\((.*)\)\s*", re.DOTALL)
_MEMBER = re.compile(rf"({_NAME})\.(.*)", re.DOTALL)
_IS = re.compile("null|not_null|true|false|unknown")


@dataclass(frozen=True, slots=True)
class Condition:
    """``column=[not.]operator.value``; the value of ``in`` is a list."""

    column: str
    negated: bool
    operator: str
    value: str | list[str]


@dataclass(frozen=True, slots=True)
class Group:
    """Conditions joined by ``and`` or ``or``."""

    operator: str
    negated: bool
    members: "list[Where]"


Where: TypeAlias = Condition | Group


@dataclass(slots=True)
class Query:
    """What is asked of one table: fields with alias and cast, embedded tables by alias, and which rows."""

    fields: list[tuple[str, str, str]] = field(default_factory=list)
    embeds: "dict[str, Embed]" = field(default_factory=dict)
    where: list[Where] = field(default_factory=list)
    order: list[tuple[str, str]] = field(default_factory=list)
    limit: int | None = MAX_ROWS
    offset: int = 0
    arguments: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Embed:
    """Rows of another table, each beside the row that it belongs to; *hint* names the foreign key."""

    name: str
    hint: str | None
    inner: bool
    query: Query


def parse_query(pairs: Iterable[tuple[str, str]], *, of_function: bool) -> Query:
    """Read a query string; *of_function* takes what is no filter for an argument.

    Raises:
        RestError: it does not parse, filters what it does not embed, or has a negative limit or offset.
    """
    given = list(pairs)
    query = _selection(dict(given).get("select", "*"))
    for key, value in given:
        *path, last = key.split(".")
        if path[-1:] == ["not"] and last in {"and", "or"}:
            last = f"not.{last}"
            path.pop()
        reserved = last in {"order", "limit", "offset", "and", "or", "not.and", "not.or"}
        if key in {"select", "columns", "on_conflict"}:
            continue
        if of_function and not path and not reserved and not _CONDITION.fullmatch(value):
            query.arguments[key] = value
        else:
            _add(_embedded(query, path), last, value)
    return query


def _embedded(query: Query, path: list[str]) -> Query:
    for name in path:
        if name not in query.embeds:
            hint = f"Verify that '{name}' is included in the 'select' query parameter."
            message = f"'{name}' is not an embedded resource in this request"
            raise RestError(400, "PGRST108", message, None, hint)
        query = query.embeds[name].query
    return query


def _add(query: Query, key: str, value: str) -> None:
    if key == "order":
        query.order = [_term(one) for one in _split(value)]
    elif key in {"limit", "offset"} and re.fullmatch(r"-?\d{1,18}", value):
        if int(value) < 0:
            raise not_satisfiable("Limit should be greater than or equal to zero.")
        setattr(query, key, int(value) if key == "offset" else min(int(value), MAX_ROWS))
    elif key in {"and", "or", "not.and", "not.or"}:
        query.where.append(_logic(key + value))
    elif key not in {"limit", "offset"}:
        query.where.append(_condition(unquoted(key.strip()), value))


def _selection(text: str) -> Query:
    query = Query()
    for one in filter(None, map(str.strip, _split(text))):
        if not (item := _ITEM.fullmatch(one)):
            raise _unparsed("select parameter", one, "field name (* or [a..z0..9_$])")
        name, alias, words = unquoted(item[2]), unquoted(item[1] or item[2]), item[3].split("!")
        if item[4] is None:
            query.fields.append((name, alias, (item[5] or "").strip()))
        else:
            hint = next((unquoted(word) for word in words if word not in {"", "inner", "left"}), None)
            query.embeds[alias] = Embed(name, hint, "inner" in words, _selection(item[4]))
    return query


def _term(text: str) -> tuple[str, str]:
    if not (term := _TERM.fullmatch(text)):
        raise _unparsed("order", text, '"asc", "desc", "nullsfirst" or "nullslast"')
    direction, nulls = f" {term[2]}" if term[2] else "", f" nulls {term[3]}" if term[3] else ""
    return unquoted(term[1].strip()), direction + nulls


def _logic(text: str) -> Where:
    if group := _GROUP.fullmatch(text):
        return Group(group[2], bool(group[1]), [_logic(one) for one in _split(group[3])])
    if not (member := _MEMBER.fullmatch(text)):
        raise _unparsed("logic tree", text, "logic operator (and, or)")
    condition = _condition(unquoted(member[1].strip()), member[2])
    if isinstance(condition.value, str):
        return Condition(condition.column, condition.negated, condition.operator, unquoted(condition.value))
    return condition


def _condition(column: str, text: str) -> Condition:
    found = _CONDITION.fullmatch(text)
    if not found:
        raise _unparsed("filter", text, '"not" or operator (eq, gt, ...)')
    negated, operator, value = bool(found[1]), found[2], found[3]
    if operator == "in":
        if not re.fullmatch(r"\(.*\)", value, re.DOTALL):
            raise _unparsed("filter", text, '"("')
        listed = [unquoted(one) for one in _split(value[1:-1])]
        return Condition(column, negated, operator, [] if listed == [""] else listed)
    if operator == "is" and not _IS.fullmatch(value := value.lower()):
        raise _unparsed("filter", text, "isVal: (null, not_null, true, false, unknown)")
    return Condition(column, negated, operator, value)


def _split(text: str) -> list[str]:
    """The parts between commas that stand in no quotes and in no parentheses."""
    parts, depth = [""], 0
    for token in _TOKENS.findall(text):
        depth += (token == "(") - (token == ")")
        if token == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += token
    return parts


def names(text: str) -> list[str]:
    """A list of columns."""
    return [unquoted(one.strip()) for one in _split(text)]


def unquoted(text: str) -> str:
    """A name or a value, out of its quotes if it has any."""
    quoted = re.fullmatch(r'\s*"((?:[^"\\]|\\.)*)"\s*', text, re.DOTALL)
    return re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else text


def _unparsed(what: str, text: str, expecting: str) -> RestError:
    message = f'"failed to parse {what} ({text})" (line 1, column 1)'
    return RestError(400, "PGRST100", message, f"unexpected input, expecting {expecting}")


def not_satisfiable(details: str) -> RestError:
    """The rows asked for can't be."""
    return RestError(416, "PGRST103", "Requested range not satisfiable", details)
