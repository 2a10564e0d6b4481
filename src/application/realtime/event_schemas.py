"""The JSON Schema (2020-12) of each event, as ``application.encoding`` writes it: what an app may rely on."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import UnionType
from typing import Any, get_args, get_type_hints

import msgspec

from domain.events import Event
from domain.money import Money

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MONEY = {
    "type": "string",
    "pattern": r"^-?(0|[1-9][0-9]{0,7})\.[0-9]{2}([0-9]?[1-9])?$",
    "description": "A signed sum with two to four decimals. Never parse it as a float.",
}

Schema = dict[str, Any]


def event_schemas() -> dict[str, Schema]:
    """The schema of every event, by the event's name."""
    assert isinstance(Event, UnionType)  # noqa: S101 - for the type checker
    return {event.NAME: _schema(event) for event in get_args(Event)}


def breaking_changes(before: Mapping[str, Schema], after: Mapping[str, Schema]) -> Iterator[str]:
    """What an app that was written against *before* could miss in *after*: events change by addition only."""
    for name, schema in before.items():
        if name not in after:
            yield f"{name} is gone"
        else:
            yield from (f"{name}: {change}" for change in _lost(schema, after[name]))


def _schema(event: type) -> Schema:
    [schemas, definitions] = msgspec.json.schema_components([event], schema_hook=_schema_of)
    [reference] = schemas
    body = definitions.pop(reference["$ref"].rsplit("/", 1)[-1])
    for name, hint in get_type_hints(event).items():
        if hint is datetime:
            body["properties"][name]["format"] = "date-time"
    for definition in definitions.values():
        if "enum" in definition:
            definition["type"] = "string"
    head = {"$schema": DIALECT, "title": event.NAME}  # type: ignore[attr-defined]
    tail = {"$defs": definitions} if definitions else {}
    return {**head, **{key: value for key, value in body.items() if key != "title"}, **tail}


def _schema_of(wanted: type) -> Schema:
    if wanted is Money:
        return dict(MONEY)
    raise TypeError(f"no schema for {wanted.__name__}")


def _lost(before: Schema, after: Schema) -> Iterator[str]:
    for name, field in before["properties"].items():
        now = after["properties"].get(name)
        if now is None:
            yield f"{name} is gone"
        elif _shape(field) != _shape(now):
            yield f"{name} was {_shape(field)} and is {_shape(now)}"
        elif name in before["required"] and name not in after["required"]:
            yield f"{name} is not always there any more"
    for name, definition in before.get("$defs", {}).items():
        words = set(after.get("$defs", {}).get(name, {}).get("enum", []))
        yield from (f"{name} has no {word!r} any more" for word in definition["enum"] if word not in words)


def _shape(field: Schema) -> Schema:
    return {key: value for key, value in field.items() if key not in {"description", "title"}}
