"""The OpenAPI 3.1 document: titles, security, and the error answers of routes. Served, and kept in docs/.

Litestar drops patterns and formats of fields, closed bodies, docstrings, response headers, and which codes an error may
have. From ``postprocess`` on each function sets one of these right, on the document as plain JSON.
"""

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Final

import msgspec
from litestar import Router
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, OpenAPI, SecurityScheme
from typing_extensions import override

from web.authentication import PUBLIC
from web.openapi_page import PlainPage
from web.problems import MEDIA_TYPE, STATUS_OF, Problem

Json = dict[str, Any]

_ALWAYS: Final = ("invalid_request", "internal_error", "unavailable")
_SIGNED_IN: Final = ("missing_token", "invalid_token", "expired_token", "rate_limited")
_CODE: Final = re.compile(r"`([a-z_]+)`")

_REF: Final = "#/components/schemas/{name}"
_KEY_HEADER: Final = "Idempotency-Key"
_RETRIED_CODES: Final = frozenset({"idempotency_key_in_progress", "rate_limited", "unavailable"})
_REPLAYED_STATUSES: Final = frozenset({404, 409})
_BODY_CODES: Final = ("body_too_large", "unsupported_media_type")
# Operations that answer CSV too.
_SPREADSHEETS: Final = frozenset({"readStatement"})
_NOISE: Final = ("deprecated", "allowEmptyValue", "allowReserved")
_HEADERS: Final[Json] = {
    "RequestId": {
        "description": "Names this request in the service's log. What the caller sent stands beside it there.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Release": {"description": "The release that answered.", "required": True, "schema": {"type": "string"}},
    "RateLimit": {
        "description": (
            "What is left (`r`) until the next minute begins in `t` seconds "
            "(draft-ietf-httpapi-ratelimit-headers-10)."
        ),
        "schema": {"type": "string", "examples": ['"user";r=599;t=42']},
    },
    "RateLimitPolicy": {
        "description": "How many requests (`q`) in how many seconds (`w`), for a user or an address.",
        "schema": {"type": "string", "examples": ['"user";q=600;w=60']},
    },
    "RetryAfter": {
        "description": "Seconds after which the same request may be sent again.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "Challenge": {
        "description": "The Bearer challenge (RFC 6750, section 3).",
        "required": True,
        "schema": {"type": "string"},
    },
    "IdempotencyReplayed": {
        "description": "`true` where this is the answer to an earlier request with the same key.",
        "schema": {"type": "string", "const": "true"},
    },
}


def problems(*codes: str, open_to_all: bool = False) -> dict[int, ResponseSpec]:
    """The error answers of a route, one for each status, with its codes named in the description."""
    named = (*_ALWAYS, *(() if open_to_all else _SIGNED_IN), *codes)
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(named):
        by_status.setdefault(STATUS_OF[code], []).append(code)
    return {
        status: ResponseSpec(
            Problem,
            description=" · ".join(f"`{code}`" for code in found),
            media_type=MEDIA_TYPE,
            generate_examples=False,
        )
        for status, found in by_status.items()
    }


def codes_of(response: dict[str, Any]) -> list[str]:
    """The codes that :func:`problems` named in a response."""
    return _CODE.findall(response["description"])


class _Document(OpenAPI):
    """Litestar's document with what it leaves out."""

    @override
    def to_schema(self) -> dict[str, Any]:
        return postprocess(super().to_schema())


class _Config(OpenAPIConfig):
    @override
    def to_openapi_schema(self) -> OpenAPI:
        made = super().to_openapi_schema()
        return _Document(**{part.name: getattr(made, part.name) for part in fields(made)})


def openapi_config() -> OpenAPIConfig:
    """What Litestar makes the document and its page from."""
    return _Config(
        title="LinguaLink backend",
        version="1",
        description=(
            "The protected half of LinguaLink, beside Supabase on the same database. Send a Supabase access token as "
            "`Authorization: Bearer`. Money is a decimal string with two to four places; times are RFC 3339 in UTC. "
            "Every error is a problem document (RFC 9457) with a stable `code`. Fields and enum values may be added: a "
            "client passes over what it does not know."
        ),
        openapi_router=Router("/schema", route_handlers=[], opt={PUBLIC: True}, include_in_schema=False),
        render_plugins=[PlainPage(), JsonRenderPlugin()],
        use_handler_docstrings=True,
        security=[{"supabase": []}],
        components=Components(
            security_schemes={"supabase": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
        ),
    )


def postprocess(document: Json) -> Json:
    """The *document*, complete."""
    schemas = document["components"]["schemas"]
    schemas |= _own_schemas(schemas)
    _types_of_enums(schemas)
    schemas["ProblemCode"] = {
        "title": "ProblemCode",
        "description": "Why a request was refused. Stable; new ones may be added.",
        "type": "string",
        "enum": list(STATUS_OF),
    }
    document["components"]["headers"] = dict(_HEADERS)
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    document["paths"] = dict(sorted(document["paths"].items()))
    for operation in _operations(document):
        if operation.get("security") == [{}]:
            operation["security"] = []  # Litestar leaves an empty list out, and then the document's holds
        _parameters(operation)
        _refusals_of_bodies(operation)
        for status, response in operation["responses"].items():
            _headers(operation, int(status), response)
            _codes(int(status), response)
            _description(response, schemas)
        if operation["operationId"] in _SPREADSHEETS:
            operation["responses"]["200"]["content"]["text/csv"] = {"schema": {"type": "string"}}
        operation["responses"] = dict(sorted(operation["responses"].items()))
        if not operation.get("deprecated"):
            operation.pop("deprecated", None)
    return document


def _operations(document: Json) -> Iterator[Json]:
    return (operation for path in document["paths"].values() for operation in path.values())


def _own_schemas(present: Json) -> Json:
    """The schemas of our structs as msgspec, which reads and writes them, states them."""
    ours = {struct.__name__: struct for struct in _structs(msgspec.Struct) if struct.__name__ in present}
    made = msgspec.json.schema_components(ours.values(), ref_template=_REF)[1]
    made[Problem.__name__]["properties"]["code"] = {"$ref": _REF.format(name="ProblemCode")}
    return made


def _types_of_enums(schemas: Json) -> None:
    """Say what the values are where msgspec lists them alone; all of ours are strings."""
    for schema in schemas.values():
        for part in (schema, *schema.get("properties", {}).values()):
            if "enum" in part:
                part.setdefault("type", "string")


def _structs(parent: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for child in parent.__subclasses__():
        if child.__module__.startswith("web."):
            yield child
        yield from _structs(child)


def _parameters(operation: Json) -> None:
    """A parameter is sent or left out: it is never null. Of two equal descriptions one is enough."""
    for parameter in operation.get("parameters", []):
        schema = parameter["schema"]
        if "oneOf" in schema:
            kinds = [kind for kind in schema.pop("oneOf") if kind != {"type": "null"}]
            schema |= kinds[0] if len(kinds) == 1 else {"oneOf": kinds}
        if "description" in parameter:
            schema.pop("description", None)
        for bound in {"minimum", "maximum"} & schema.keys():
            schema[bound] = int(schema[bound])
        for name in _NOISE:
            if not parameter.get(name):
                parameter.pop(name, None)
        if parameter["name"] == _KEY_HEADER:
            parameter["required"] = True
            schema |= {"minLength": 1, "maxLength": 255}


def _refusals_of_bodies(operation: Json) -> None:
    """Where a body is read, it may be refused before its schema is looked at."""
    if "requestBody" not in operation:
        return
    for code in _BODY_CODES:
        problem = {"schema": {"$ref": _REF.format(name=Problem.__name__)}}
        response = {"description": f"`{code}`", "content": {MEDIA_TYPE: problem}}
        operation["responses"].setdefault(str(STATUS_OF[code]), response)


def _headers(operation: Json, status: int, response: Json) -> None:
    names = {"X-Request-Id": "RequestId", "X-Release": "Release"}
    if operation.get("security") != []:
        names |= {"RateLimit": "RateLimit", "RateLimit-Policy": "RateLimitPolicy"}
    if status == 401:
        names["WWW-Authenticate"] = "Challenge"
    if _is_problem(response) and _RETRIED_CODES & set(codes_of(response)):
        names["Retry-After"] = "RetryAfter"
    keyed = any(parameter["name"] == _KEY_HEADER for parameter in operation.get("parameters", []))
    if keyed and (status < 300 or status in _REPLAYED_STATUSES):
        names["Idempotency-Replayed"] = "IdempotencyReplayed"
    headers = {name: {"$ref": f"#/components/headers/{kept}"} for name, kept in names.items()}
    response["headers"] = {**response.get("headers", {}), **headers}


def _codes(status: int, response: Json) -> None:
    """Narrow the problem document to the codes that this route answers with this status."""
    if not _is_problem(response):
        return
    content = response["content"][MEDIA_TYPE]
    content["schema"] = {
        "allOf": [
            content["schema"],
            {
                "type": "object",
                "required": ["status", "code"],
                "properties": {
                    "status": {"type": "integer", "const": status},
                    "code": {"type": "string", "enum": codes_of(response)},
                },
            },
        ]
    }


def _description(response: Json, schemas: Json) -> None:
    """What a success is, in the words of its schema."""
    schema = response.get("content", {}).get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    if "description" in schemas.get(name, {}):
        response["description"] = schemas[name]["description"]


def _is_problem(response: Json) -> bool:
    return MEDIA_TYPE in response.get("content", {})
