"""Say what an OpenAPI document takes away from the clients of an older one; nothing, or exit 1.

    python scripts/openapi_changes.py docs/openapi.baseline.json docs/openapi.json

The rules are those of a client that passes over what it does not know: answers may gain fields and values but
lose none, requests may gain what is optional but nothing required, and what was accepted stays accepted. That
an error can no longer happen breaks nobody, so of error answers only the codes known to the whole API count.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]

# For a request, a lower limit is a refusal of what was accepted; the names of the limits of each sort.
UPPER_LIMITS = ("maximum", "maxLength", "maxItems")
LOWER_LIMITS = ("minimum", "minLength", "minItems")


def breaking_changes(old: Json, new: Json) -> list[str]:
    """One line for each change that an older client would not survive."""
    found: list[str] = []
    for path, method, was in _operations(old):
        now = new["paths"].get(path, {}).get(method)
        where = f"{method.upper()} {path}"
        if now is None:
            found.append(f"{where}: is gone")
        else:
            found += _Comparison(old, new).operation(where, was, now)
    was_codes, now_codes = (set(_schema(document, "ProblemCode").get("enum", [])) for document in (old, new))
    found += [f"ProblemCode: {code} is gone" for code in sorted(was_codes - now_codes)]
    return found


def _operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _schema(document: Json, name: str) -> Json:
    found: Json = document.get("components", {}).get("schemas", {}).get(name, {})
    return found


class _Comparison:
    """Compares the schemas of two documents; a schema that refers to itself is looked at once."""

    def __init__(self, old: Json, new: Json) -> None:
        self._old, self._new = old, new
        self._seen: set[tuple[str, str, bool]] = set()

    def operation(self, where: str, was: Json, now: Json) -> Iterator[str]:
        if was.get("operationId") != now.get("operationId"):
            yield f"{where}: operationId was {was.get('operationId')}, is {now.get('operationId')}"
        yield from self._parameters(where, was, now)
        yield from self._request(where, was.get("requestBody"), now.get("requestBody"))
        for status, answer in was["responses"].items():
            if status.startswith("2"):
                yield from self._answer(f"{where} {status}", answer, now["responses"].get(status))

    def _parameters(self, where: str, was: Json, now: Json) -> Iterator[str]:
        before, after = (
            {(item["in"], item["name"]): item for item in operation.get("parameters", [])}
            for operation in (was, now)
        )
        for key in before.keys() - after.keys():
            yield f"{where}: parameter {key[1]} is gone"
        for key, item in after.items():
            there = f"{where}: parameter {key[1]}"
            if item.get("required") and not before.get(key, {}).get("required"):
                yield f"{there} became required"
            if key in before:
                yield from self._compare(there, before[key]["schema"], item["schema"], request=True)

    def _request(self, where: str, was: Json | None, now: Json | None) -> Iterator[str]:
        if now is None:
            if was is not None:
                yield f"{where}: takes no body any more"
        elif was is None:
            if now.get("required"):
                yield f"{where}: a body became required"
        else:
            yield from self._contents(f"{where}: request", was["content"], now["content"], request=True)

    def _answer(self, where: str, was: Json, now: Json | None) -> Iterator[str]:
        if now is None:
            yield f"{where}: is gone"
            return
        yield from (
            f"{where}: header {name} is gone"
            for name in was.get("headers", {}).keys() - now.get("headers", {})
        )
        yield from self._contents(f"{where}:", was.get("content", {}), now.get("content", {}), request=False)

    def _contents(self, where: str, was: Json, now: Json, *, request: bool) -> Iterator[str]:
        for media_type, content in was.items():
            if media_type not in now:
                yield f"{where} {media_type} is gone"
            else:
                yield from self._compare(where, content["schema"], now[media_type]["schema"], request=request)

    def _compare(self, where: str, was: Json, now: Json, *, request: bool) -> Iterator[str]:
        pair = (was.get("$ref", ""), now.get("$ref", ""), request)
        if all(pair[:2]):
            if pair in self._seen:
                return
            self._seen.add(pair)
        was, now = _resolved(self._old, was), _resolved(self._new, now)
        before, after = _types(self._old, was), _types(self._new, now)
        lost, gained = sorted(before - after), sorted(after - before)
        if request and lost:
            yield f"{where} no longer takes {', '.join(lost)}"
        if not request and gained:
            yield f"{where} may now be {', '.join(gained)}"
        if not request and lost and not after & before:
            yield f"{where} is no longer {', '.join(lost)}"
        was, now = _not_null(self._old, was), _not_null(self._new, now)
        yield from _values(where, was, now, request=request)
        if request:
            yield from _narrowed(where, was, now)
        yield from self._fields(where, was, now, request=request)
        if "items" in was and "items" in now:
            yield from self._compare(f"{where}[]", was["items"], now["items"], request=request)

    def _fields(self, where: str, was: Json, now: Json, *, request: bool) -> Iterator[str]:
        before, after = was.get("properties", {}), now.get("properties", {})
        for name, schema in before.items():
            if name not in after:
                yield f"{where} {name} is gone"
            else:
                yield from self._compare(f"{where} {name}", schema, after[name], request=request)
        was_required, now_required = set(was.get("required", [])), set(now.get("required", []))
        if request:
            yield from (f"{where} {name} became required" for name in sorted(now_required - was_required))
        else:
            still = sorted((was_required - now_required) & after.keys())
            yield from (f"{where} {name} may now be missing" for name in still)


def _resolved(document: Json, schema: Json) -> Json:
    """The schema that a reference names."""
    return _schema(document, schema["$ref"].rpartition("/")[2]) if "$ref" in schema else schema


def _choices(document: Json, schema: Json) -> list[Json]:
    choices = schema.get("anyOf") or schema.get("oneOf")
    return [_resolved(document, choice) for choice in choices] if choices else [schema]


def _types(document: Json, schema: Json) -> set[str]:
    return {str(choice.get("type", "anything")) for choice in _choices(document, schema)}


def _not_null(document: Json, schema: Json) -> Json:
    """What a value is when it is not null; the schema itself where there are several ways."""
    choices = [choice for choice in _choices(document, schema) if choice.get("type") != "null"]
    return choices[0] if len(choices) == 1 else schema


def _values(where: str, was: Json, now: Json, *, request: bool) -> Iterator[str]:
    before, after = was.get("enum"), now.get("enum")
    if before is None and after is not None and request:
        yield f"{where} is limited to {', '.join(map(str, after))}"
    if before is not None and after is not None:
        yield from (f"{where} value {value} is gone" for value in before if value not in after)
    if was.get("format") != now.get("format"):
        yield f"{where} format was {was.get('format')}, is {now.get('format')}"


def _narrowed(where: str, was: Json, now: Json) -> Iterator[str]:
    for limit in UPPER_LIMITS:
        if now.get(limit, float("inf")) < was.get(limit, float("inf")):
            yield f"{where} {limit} fell to {now[limit]}"
    for limit in LOWER_LIMITS:
        if now.get(limit, 0) > was.get(limit, 0):
            yield f"{where} {limit} rose to {now[limit]}"
    if now.get("pattern") not in {None, was.get("pattern")}:
        yield f"{where} pattern was {was.get('pattern')}, is {now['pattern']}"
    if now.get("additionalProperties") is False and was.get("additionalProperties") is not False:
        yield f"{where} no longer takes unknown fields"


def main(arguments: list[str]) -> int:
    """Print what breaks; the exit status."""
    old, new = (json.loads(Path(name).read_text()) for name in arguments)
    found = breaking_changes(old, new)
    if found:
        sys.stderr.write("\n  ".join(["This breaks older clients:", *found]) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
