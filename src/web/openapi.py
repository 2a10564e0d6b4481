"""The OpenAPI 3.1 document: titles, security, and the error answers of routes. Served, and kept in docs/."""

import re
from dataclasses import fields
from typing import Any, Final

from litestar import Router
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, OpenAPI, SecurityScheme
from typing_extensions import override

from web.authentication import PUBLIC
from web.openapi_page import PlainPage
from web.openapi_postprocess import postprocess
from web.problems import MEDIA_TYPE, STATUS_OF, Problem

_ALWAYS: Final = ("invalid_request", "internal_error", "unavailable")
_SIGNED_IN: Final = ("missing_token", "invalid_token", "expired_token", "rate_limited")
_CODE: Final = re.compile(r"`([a-z_]+)`")


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
        return postprocess(super().to_schema(), codes_of)


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
