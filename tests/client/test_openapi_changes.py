"""What counts as breaking a client, and what does not."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from openapi_changes import breaking_changes, main

Json = dict[str, Any]
Change = Callable[[Json], object]

DOCUMENT: Json = {
    "paths": {
        "/things": {
            "get": {
                "operationId": "listThings",
                "parameters": [
                    {"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 100}},
                ],
                "responses": {
                    "200": {
                        "headers": {"X-Request-Id": {}},
                        "content": {
                            "application/json": {"schema": {"$ref": "#/components/schemas/ThingOut"}}
                        },
                    },
                    "404": {"content": {}},
                },
            },
            "post": {
                "operationId": "makeThing",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ThingIn"}}},
                },
                "responses": {"201": {"content": {}}},
            },
        }
    },
    "components": {
        "schemas": {
            "ProblemCode": {"type": "string", "enum": ["forbidden", "not_found"]},
            "Colour": {"type": "string", "enum": ["blue", "red"]},
            "ThingOut": {
                "type": "object",
                "required": ["id", "colour"],
                "properties": {
                    "id": {"type": "string", "format": "uuid"},
                    "colour": {"$ref": "#/components/schemas/Colour"},
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/ThingOut"}},
                },
            },
            "ThingIn": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "maxLength": 50, "minLength": 1},
                    "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                },
            },
        }
    },
}


def get(document: Json) -> Json:
    operation: Json = document["paths"]["/things"]["get"]
    return operation


def post(document: Json) -> Json:
    operation: Json = document["paths"]["/things"]["post"]
    return operation


def schema(document: Json, name: str) -> Json:
    found: Json = document["components"]["schemas"][name]
    return found


BREAKING: dict[str, tuple[Change, str]] = {
    "a path goes": (lambda new: new["paths"].clear(), "GET /things: is gone"),
    "a method goes": (lambda new: new["paths"]["/things"].pop("post"), "POST /things: is gone"),
    "an operation is renamed": (
        lambda new: get(new).update(operationId="things"),
        "GET /things: operationId was listThings, is things",
    ),
    "a parameter goes": (lambda new: get(new).update(parameters=[]), "GET /things: parameter limit is gone"),
    "a parameter is required": (
        lambda new: get(new)["parameters"].append(
            {"in": "query", "name": "of", "required": True, "schema": {"type": "string"}}
        ),
        "GET /things: parameter of became required",
    ),
    "a parameter's limit falls": (
        lambda new: get(new)["parameters"][0]["schema"].update(maximum=10),
        "GET /things: parameter limit maximum fell to 10",
    ),
    "a success is another one": (
        lambda new: get(new)["responses"].update({"202": get(new)["responses"].pop("200")}),
        "GET /things 200: is gone",
    ),
    "a header of the answer goes": (
        lambda new: get(new)["responses"]["200"].update(headers={}),
        "GET /things 200: header X-Request-Id is gone",
    ),
    "a field of the answer goes": (
        lambda new: schema(new, "ThingOut")["properties"].pop("note"),
        "GET /things 200: note is gone",
    ),
    "a field of the answer may be missing": (
        lambda new: schema(new, "ThingOut").update(required=["id"]),
        "GET /things 200: colour may now be missing",
    ),
    "a field of the answer may be null": (
        lambda new: schema(new, "ThingOut")["properties"].update(
            id={"anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}]}
        ),
        "GET /things 200: id may now be null",
    ),
    "a field of the answer has another form": (
        lambda new: schema(new, "ThingOut")["properties"]["id"].pop("format"),
        "GET /things 200: id format was uuid, is None",
    ),
    "a value of the answer's enum goes": (
        lambda new: schema(new, "Colour").update(enum=["blue"]),
        "GET /things 200: colour value red is gone",
    ),
    "a code of a problem goes": (
        lambda new: schema(new, "ProblemCode").update(enum=["forbidden"]),
        "ProblemCode: not_found is gone",
    ),
    "a field of the request is required": (
        lambda new: schema(new, "ThingIn").update(required=["name", "note"]),
        "POST /things: request note became required",
    ),
    "a new field of the request is required": (
        lambda new: (
            schema(new, "ThingIn")["properties"].update(size={"type": "integer"}),
            schema(new, "ThingIn")["required"].append("size"),
        ),
        "POST /things: request size became required",
    ),
    "a field of the request goes": (
        lambda new: schema(new, "ThingIn")["properties"].pop("note"),
        "POST /things: request note is gone",
    ),
    "a field of the request may not be null": (
        lambda new: schema(new, "ThingIn")["properties"].update(note={"type": "string"}),
        "POST /things: request note no longer takes null",
    ),
    "a field of the request must be shorter": (
        lambda new: schema(new, "ThingIn")["properties"]["name"].update(maxLength=10),
        "POST /things: request name maxLength fell to 10",
    ),
    "a field of the request must be longer": (
        lambda new: schema(new, "ThingIn")["properties"]["name"].update(minLength=5),
        "POST /things: request name minLength rose to 5",
    ),
    "a field of the request must fit a pattern": (
        lambda new: schema(new, "ThingIn")["properties"]["name"].update(pattern="^a"),
        "POST /things: request name pattern was None, is ^a",
    ),
    "a field of the request is limited to some values": (
        lambda new: schema(new, "ThingIn")["properties"]["name"].update(enum=["a", "b"]),
        "POST /things: request name is limited to a, b",
    ),
    "a request is closed": (
        lambda new: schema(new, "ThingIn").update(additionalProperties=False),
        "POST /things: request no longer takes unknown fields",
    ),
    "a body is required": (
        lambda new: get(new).update(requestBody=copy.deepcopy(post(new)["requestBody"])),
        "GET /things: a body became required",
    ),
    "a body is no longer taken": (
        lambda new: post(new).pop("requestBody"),
        "POST /things: takes no body any more",
    ),
}

HARMLESS: dict[str, Change] = {
    "nothing": lambda _: None,
    "a new path": lambda new: new["paths"].update({"/others": {"get": get(new)}}),
    "a new field of the answer": lambda new: schema(new, "ThingOut")["properties"].update(
        size={"type": "integer"}
    ),
    "a new value of the answer's enum": lambda new: schema(new, "Colour")["enum"].append("green"),
    "a new code": lambda new: schema(new, "ProblemCode")["enum"].append("gone"),
    "a new optional parameter": lambda new: get(new)["parameters"].append(
        {"in": "query", "name": "of", "schema": {"type": "string"}}
    ),
    "a new optional field of the request": lambda new: schema(new, "ThingIn")["properties"].update(
        size={"type": "integer"}
    ),
    "a longer field of the request": lambda new: schema(new, "ThingIn")["properties"]["name"].update(
        maxLength=99
    ),
    "a field of the request that may be left out": lambda new: schema(new, "ThingIn").update(required=[]),
    "an error that can't happen any more": lambda new: get(new)["responses"].pop("404"),
    "an answer's field that is always there": lambda new: schema(new, "ThingOut")["required"].append("note"),
}


def changed(change: Change) -> Json:
    new = copy.deepcopy(DOCUMENT)
    change(new)
    return new


@pytest.mark.parametrize(("change", "found"), BREAKING.values(), ids=BREAKING)
def test_it_breaks_clients_that(change: Change, found: str) -> None:
    assert found in breaking_changes(DOCUMENT, changed(change))


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_it_breaks_nobody(change: Change) -> None:
    assert breaking_changes(DOCUMENT, changed(change)) == []


def test_the_command_says_what_breaks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(DOCUMENT))
    new.write_text(json.dumps(changed(BREAKING["a method goes"][0])))
    assert main([str(old), str(old)]) == 0
    assert main([str(old), str(new)]) == 1
    assert "POST /things: is gone" in capsys.readouterr().err
