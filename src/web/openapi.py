"""The OpenAPI 3.1 document: titles, security, problem documents, and strict bodies."""

from typing import Any, Final

from litestar._openapi.schema_generation.plugins.struct import StructSchemaPlugin
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import ScalarRenderPlugin
from litestar.openapi.spec import Components, Schema, SecurityScheme

from web.problems import MEDIA_TYPE, STATUS_OF, Problem

_ALWAYS: Final = ("invalid_request", "internal_error", "unavailable")
_SIGNED_IN: Final = ("missing_token", "invalid_token", "expired_token")


class StrictStructs(StructSchemaPlugin):
    """Says ``additionalProperties: false`` where unknown fields are refused; Litestar leaves it out."""

    def to_openapi_schema(self, field_definition: Any, schema_creator: Any) -> Schema:
        """The struct's schema, closed where the struct is."""
        schema = super().to_openapi_schema(field_definition, schema_creator)
        if field_definition.type_.__struct_config__.forbid_unknown_fields:
            schema.additional_properties = False
        return schema


def problems(*codes: str, open_to_all: bool = False) -> dict[int, ResponseSpec]:
    """The error answers of a route, one for each status, with its codes named."""
    named = (*_ALWAYS, *(() if open_to_all else _SIGNED_IN), *codes)
    by_status: dict[int, list[str]] = {}
    for code in named:
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


CONFIG: Final = OpenAPIConfig(
    title="LinguaLink backend",
    version="1",
    description=(
        "The protected half of LinguaLink, beside Supabase on the same database. Send a Supabase access token as "
        "`Authorization: Bearer`. Money is a decimal string with two places; times are RFC 3339 in UTC. Every error "
        "is a problem document (RFC 9457) with a stable `code`."
    ),
    path="/schema",
    render_plugins=[ScalarRenderPlugin()],
    use_handler_docstrings=True,
    security=[{"supabase": []}],
    components=Components(
        security_schemes={"supabase": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
    ),
)
