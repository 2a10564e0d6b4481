"""What is generated from the routes is up to date, complete, and takes nothing away from older clients."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import openapi
import openapi_changes
from support.javascript import node
from web.openapi import codes_of
from web.problems import MEDIA_TYPE, STATUS_OF

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "clients" / "typescript"
DOCUMENT: dict[str, Any] = json.loads(openapi.document())
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}
FOR_APPS = {name: operation for name, operation in OPERATIONS.items() if "/health/" not in name}
STALE = "run make openapi client"


def test_the_kept_document_is_that_of_the_routes() -> None:
    assert openapi.TARGET.read_text() == openapi.document(), STALE


def test_the_generated_types_are_those_of_the_document_and_the_events(tmp_path: Path) -> None:
    subprocess.run([node(), str(CLIENT / "scripts" / "generate.mjs"), str(tmp_path)], check=True, timeout=120)
    for made in tmp_path.iterdir():
        assert (CLIENT / "src" / "generated" / made.name).read_text() == made.read_text(), STALE
    assert {made.name for made in tmp_path.iterdir()} == {"api.ts", "events.ts", "fixtures.ts"}


def test_no_client_of_the_last_release_is_broken() -> None:
    baseline = json.loads((ROOT / "docs" / "openapi.baseline.json").read_text())
    assert openapi_changes.breaking_changes(baseline, DOCUMENT) == []


def test_every_code_is_in_the_enum() -> None:
    assert DOCUMENT["components"]["schemas"]["ProblemCode"]["enum"] == list(STATUS_OF)
    assert DOCUMENT["components"]["schemas"]["Problem"]["properties"]["code"] == {
        "$ref": "#/components/schemas/ProblemCode"
    }


@pytest.mark.parametrize("name", FOR_APPS)
def test_a_route_names_the_codes_of_each_status_that_it_refuses_with(name: str) -> None:
    refusals = {
        int(status): answer for status, answer in FOR_APPS[name]["responses"].items() if int(status) >= 400
    }
    assert {400, 401, 500, 503} <= refusals.keys()
    for status, answer in refusals.items():
        narrowed = answer["content"][MEDIA_TYPE]["schema"]["allOf"][1]["properties"]["code"]["enum"]
        assert narrowed == codes_of(answer)
        assert {STATUS_OF[code] for code in narrowed} == {status}


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_route_has_a_name_a_summary_and_a_typed_answer(name: str) -> None:
    operation = OPERATIONS[name]
    assert {"operationId", "summary", "description"} <= operation.keys()
    successes = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
    schemas = [answer["content"]["application/json"]["schema"] for answer in successes]
    assert schemas
    assert all(schema.keys() == {"$ref"} for schema in schemas)


def test_nothing_may_be_anything() -> None:
    assert list(_untyped(DOCUMENT["components"]["schemas"], "")) == []


def test_a_field_of_an_answer_is_there_always_but_for_those_that_say_why() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    optional = {
        name: missing
        for name, schema in schemas.items()
        if not name.endswith("In")
        and (missing := set(schema.get("properties", {})) - set(schema.get("required", [])))
    }
    # Only where a field of the input was wrong; only for admins.
    assert optional == {"Problem": {"errors"}, "UserOut": {"balance", "currency"}}


def test_a_body_that_is_taken_is_closed() -> None:
    taken = {
        name: schema for name, schema in DOCUMENT["components"]["schemas"].items() if name.endswith("In")
    }
    assert taken
    assert {
        name for name, schema in taken.items() if schema.get("additionalProperties") is not False
    } == set()


def _untyped(schema: Any, where: str) -> Iterator[str]:
    """Where a schema, of those under *schema*, says nothing about the type."""
    for name, part in schema.items():
        if not {"type", "$ref", "anyOf", "oneOf", "allOf"} & part.keys():
            yield f"{where}/{name}"
        yield from _untyped(part.get("properties", {}), f"{where}/{name}")
        if "items" in part:
            yield from _untyped({"[]": part["items"]}, f"{where}/{name}")
        if isinstance(part.get("additionalProperties"), dict):
            yield from _untyped({"{}": part["additionalProperties"]}, f"{where}/{name}")
