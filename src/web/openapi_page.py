"""The OpenAPI document as a page to read: plain HTML without a script, so that nothing is loaded or run."""

import base64
import hashlib
from collections.abc import Iterator
from html import escape
from typing import Any, Final

import msgspec
from litestar import Request, Router
from litestar.openapi.plugins import OpenAPIRenderPlugin
from typing_extensions import override

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882 }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1.5rem }
h2 { border-bottom: 1px solid var(--line); margin-top: 2.5rem; text-transform: capitalize }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; padding: .5rem .75rem }
summary { cursor: pointer; overflow-wrap: anywhere }
summary b { display: inline-block; min-width: 4rem }
table { border-collapse: collapse; width: 100% }
td, th { border-top: 1px solid var(--line); padding: .3rem .5rem .3rem 0; text-align: left; vertical-align: top }
code, pre { background: var(--soft); border-radius: .25rem; font: .875em ui-monospace, monospace; padding: .1em .3em }
pre { overflow: auto; padding: .75rem }
"""
POLICY: Final = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'"
).encode()
"""The page's Content-Security-Policy: its own style and nothing else."""

Json = dict[str, Any]


class PlainPage(OpenAPIRenderPlugin):
    """Shows the document at ``/schema``."""

    def __init__(self) -> None:
        super().__init__(path="/")
        self._page: bytes | None = None

    @override
    def receive_router(self, router: Router) -> None:
        """Leave what is not there to the application: Litestar would send a page, and no problem document."""
        router.routes[:] = [route for route in router.routes if "{" not in route.path]

    @override
    def render(self, request: Request[Any, Any, Any], openapi_schema: Json) -> bytes:
        request.scope["state"]["content_security_policy"] = POLICY
        if self._page is None:
            self._page = render_page(openapi_schema).encode()
        return self._page


def render_page(document: Json) -> str:
    """The page of *document*: operations by tag, then the schemas. All text of the document is escaped."""
    info = document["info"]
    return "".join(
        (
            '<!doctype html><html lang="en"><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(info['title'])}</title><style>{_STYLE}</style>",
            f"<h1>{escape(info['title'])}</h1><p>{escape(info.get('description', ''))}</p>",
            '<p><a href="/schema/openapi.json">openapi.json</a></p>',
            *_operations(document["paths"]),
            "<h2>Schemas</h2>",
            *(_schema(name, schema) for name, schema in document["components"]["schemas"].items()),
        )
    )


def _operations(paths: Json) -> Iterator[str]:
    tagged: dict[str, list[str]] = {}
    for path, methods in paths.items():
        for method, operation in methods.items():
            [tag, *_] = operation.get("tags", ["other"])
            tagged.setdefault(tag, []).append(_operation(path, method, operation))
    for tag, operations in tagged.items():
        yield f"<h2>{escape(tag)}</h2>"
        yield from operations


def _operation(path: str, method: str, operation: Json) -> str:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return "".join(
        (
            f'<details id="{escape(operation["operationId"])}"><summary><b>{method.upper()}</b>',
            f"<code>{escape(path)}</code> {escape(operation.get('summary', ''))}</summary>",
            f"<p>{escape(operation.get('description', ''))}</p>",
            _table("Parameters", operation.get("parameters", []), _parameter),
            f"<p>Body: {_kind(body)}</p>" if body else "",
            _table("Answers", operation["responses"].items(), _response),
            "</details>",
        )
    )


def _table(title: str, rows: Any, row: Any) -> str:
    cells = "".join(f"<tr>{row(one)}</tr>" for one in rows)
    return f"<table><tr><th colspan=3>{title}</th></tr>{cells}</table>" if cells else ""


def _parameter(parameter: Json) -> str:
    needed = " (required)" if parameter.get("required") else ""
    return (
        f"<td><code>{escape(parameter['name'])}</code> in {escape(parameter['in'])}{needed}</td>"
        f"<td>{_kind(parameter['schema'])}</td><td>{escape(parameter.get('description', ''))}</td>"
    )


def _response(response: tuple[str, Json]) -> str:
    status, said = response
    kinds = " ".join(_kind(content["schema"]) for content in said.get("content", {}).values())
    return f"<td>{escape(status)}</td><td>{kinds}</td><td>{escape(said['description'])}</td>"


def _schema(name: str, schema: Json) -> str:
    text = msgspec.json.format(msgspec.json.encode(schema), indent=2).decode()
    return (
        f'<details id="schema-{escape(name)}"><summary><code>{escape(name)}</code> '
        f"{escape(schema.get('description', ''))}</summary><pre>{escape(text)}</pre></details>"
    )


def _kind(schema: Json) -> str:
    """A schema in a word: a link where it has a name."""
    if reference := schema.get("$ref"):
        name = escape(reference.rpartition("/")[2])
        return f'<a href="#schema-{name}">{name}</a>'
    for together in ("allOf", "oneOf", "anyOf"):
        if together in schema:
            return _kind(schema[together][0])
    kind = schema.get("type", "any")
    return f"list of {_kind(schema['items'])}" if kind == "array" else f"<code>{escape(str(kind))}</code>"
