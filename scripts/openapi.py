"""Write docs/openapi.json from the routes; with ``--check`` only say whether it is right. Needs no database."""

import json
import sys
from pathlib import Path

from litestar import Litestar

from web.authentication import SessionRequest
from web.openapi import openapi_config
from web.routes import ROUTES

TARGET = Path(__file__).parents[1] / "docs" / "openapi.json"


def document() -> str:
    """The document that the service serves under ``/schema/openapi.json``, laid out for reading and diffs."""
    app = Litestar(ROUTES, openapi_config=openapi_config(), request_class=SessionRequest)
    schema = app.openapi_schema.to_schema()
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write or check; the exit status."""
    made = document()
    if "--check" in arguments:
        if TARGET.exists() and TARGET.read_text() == made:
            return 0
        sys.stderr.write("docs/openapi.json is stale: run make openapi client\n")
        return 1
    TARGET.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
