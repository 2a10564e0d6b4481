"""The API gateway in front of the services: it swaps an API key for a token of the key's role.

The services behind it know tokens only, as on Supabase. The rules are those of the Supabase CLI's gateway;
the refusal of secret keys in browsers is the hosted gateway's.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.types import LifeSpanScope, Scope

OPAQUE_PREFIX = "sb_"
BROWSER = "Mozilla/"

Application = Callable[[Scope | LifeSpanScope, Any, Any], Awaitable[None]]


class ApiKeyGateway:
    """An ASGI application in front of another: turns ``apikey`` into ``Authorization``.

    An Authorization that carries a token of its own wins; one that repeats an opaque key does not.
    *tokens* maps each API key to the token that stands behind it.
    """

    def __init__(self, app: Application, tokens: Mapping[str, str], secret_key: str) -> None:
        self._app = app
        self._tokens = tokens
        self._secret_key = secret_key

    async def __call__(self, scope: Scope | LifeSpanScope, receive: Any, send: Any) -> None:
        """Pass the request on with its key swapped, or refuse it."""
        if scope["type"] != "lifespan":
            headers = MutableScopeHeaders(scope)
            query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
            secret = self._secret_key in {headers.get("apikey"), query.get("apikey")}
            if secret and BROWSER in headers.get("user-agent", ""):
                told = {"message": "Forbidden use of secret API key in browser"}
                if scope["type"] == ScopeType.WEBSOCKET:
                    await answer(send, 401, told, of="websocket.http")
                else:
                    await answer(send, 401, told, (b"access-control-allow-origin", b"*"))
                return
            self._authorize(headers)
            if token := self._tokens.get(query.get("apikey", "")):
                query["apikey"] = token
                scope["query_string"] = urlencode(query).encode("latin-1")
        await self._app(scope, receive, send)

    def _authorize(self, headers: MutableScopeHeaders) -> None:
        key, authorization = headers.get("apikey"), headers.get("authorization")
        own = authorization is not None and not authorization.startswith(f"Bearer {OPAQUE_PREFIX}")
        if key is not None and not own:
            headers["authorization"] = f"Bearer {self._tokens[key]}" if key in self._tokens else key


async def answer(
    send: Any, status: int, body: dict[str, str], *headers: tuple[bytes, bytes], of: str = "http"
) -> None:
    """Answer without the framework: a request, or of ``websocket.http`` a handshake."""
    content = msgspec.json.encode(body)
    fields = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content)), *headers]
    await send({"type": f"{of}.response.start", "status": status, "headers": fields})
    await send({"type": f"{of}.response.body", "body": content, "more_body": False})


def bearer(authorization: str | None) -> str | None:
    """The token of an Authorization header, with or without its scheme; None when there is none."""
    scheme, _, token = (authorization or "").strip().rpartition(" ")
    return token if token and scheme.lower() in {"", "bearer"} else None
