"""Write docs/events/<event>.schema.json from the event types; with ``--check`` only say whether they are right.

The JSON Schema (2020-12) of each event, as ``application.encoding`` writes it: what an app may rely on. An event
changes by addition only: what an app may rely on already is never written away.
"""

import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_type_hints

import msgspec

from domain.events import Event
from domain.money import Money

FOLDER = Path(__file__).parents[1] / "docs" / "events"
SUFFIX = ".schema.json"
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


def main(arguments: list[str]) -> int:
    """Write or check; the exit status. A folder can be named for a trial."""
    folder = next((Path(word) for word in arguments if not word.startswith("-")), FOLDER)
    texts = {name: _text(schema) for name, schema in event_schemas().items()}
    written = {path.name.removesuffix(SUFFIX): path.read_text() for path in folder.glob(f"*{SUFFIX}")}
    lost = list(breaking_changes(_parsed(written), _parsed(texts)))
    if lost:
        return _complain("An event may only gain fields:", lost)
    if "--check" in arguments:
        stale = sorted(name for name in texts if written.get(name) != texts[name])
        return _complain("Run make events; these are stale:", stale) if stale else 0
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}{SUFFIX}").write_text(text)
    return 0


def _text(schema: Schema) -> str:
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"


def _parsed(texts: dict[str, str]) -> dict[str, Schema]:
    return {name: msgspec.json.decode(text) for name, text in texts.items()}


def _complain(what: str, lines: list[str]) -> int:
    sys.stderr.write("\n  ".join([what, *lines]) + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
