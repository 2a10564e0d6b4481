"""Realtime's URL map under ``/realtime/v1``: the websocket, and sending by REST."""

import asyncio
from contextlib import suppress
from typing import Any, cast
from urllib.parse import parse_qsl, unquote_to_bytes

from litestar import Response, Router, asgi, post
from litestar.datastructures import Headers, State
from litestar.di import NamedDependency, Provide
from litestar.enums import ScopeType
from litestar.types import Receive, Scope, Send

from devstack.auth.errors import AnyRequest
from devstack.gateway import answer, bearer
from devstack.keys import TokenError
from devstack.realtime import rest
from devstack.realtime.connection import Connection
from devstack.realtime.protocol import V1, V2
from devstack.realtime.server import Realtime

LARGEST_BODY = 8_000_000
LARGEST_FRAME = 5_000_000
NORMAL, TOO_BIG = 1000, 1009
BROADCAST_PATH = "/api/broadcast"


def provide_realtime(state: State) -> Realtime:
    """The service that the application opened when it started."""
    realtime: Realtime = state.realtime
    return realtime


@asgi("/websocket", copy_scope=False)
async def websocket(scope: Scope, receive: Receive, send: Send) -> None:
    """Channels. A refused handshake is an HTTP answer with its reason, as Realtime gives it."""
    if scope["type"] != ScopeType.WEBSOCKET:
        await answer(send, 426, {"error": "This is a websocket"})
        return
    realtime: Realtime = scope["litestar_app"].state.realtime
    query = dict(parse_qsl(scope["query_string"].decode("latin-1")))
    version = query.get("vsn", V1)
    await receive()
    try:
        connection = _opened(realtime, query.get("apikey", ""), Headers.from_scope(scope), version)
    except _HandshakeRefusedError as refusal:
        await asyncio.sleep(realtime.limits.handshake_refusal_seconds)
        await answer(send, refusal.status, {"error": str(refusal)}, of="websocket.http")
        return
    await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
    realtime.connections += 1
    writer = asyncio.create_task(_write(connection, send))
    try:
        await _read(connection, receive, send, realtime.limits.silence_seconds)
    finally:
        realtime.connections -= 1
        connection.close()
        writer.cancel()
        with suppress(asyncio.CancelledError):
            await writer


class _HandshakeRefusedError(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def _opened(realtime: Realtime, key: str, headers: Headers, version: str) -> Connection:
    if version not in {V1, V2}:
        raise _HandshakeRefusedError(403, f"Unsupported protocol version {version}")
    if not key:
        raise _HandshakeRefusedError(401, "API key is missing")
    try:
        access = realtime.read_access(key)
    except TokenError as error:
        expired = error.text.startswith("Token has expired")
        raise _HandshakeRefusedError(401, "Token has expired" if expired else error.text) from None
    if realtime.connections >= realtime.limits.connections:
        raise _HandshakeRefusedError(429, "Too many connected users")
    return Connection(realtime, access, dict(headers.items()), version)


async def _read(connection: Connection, receive: Receive, send: Send, silence: float) -> None:
    while True:
        try:
            async with asyncio.timeout(silence):
                message = cast("dict[str, Any]", await receive())
        except TimeoutError:
            await send({"type": "websocket.close", "code": NORMAL, "reason": ""})
            return
        if message["type"] != "websocket.receive":
            return
        text, data = message.get("text"), message.get("bytes")
        content: str | bytes = text if text is not None else data or b""
        if len(content) > LARGEST_FRAME:
            await send({"type": "websocket.close", "code": TOO_BIG, "reason": "frame too large"})
            return
        await connection.receive(content)


async def _write(connection: Connection, send: Send) -> None:
    with suppress(OSError, RuntimeError):  # the client went away; the reader learns of it too
        while True:
            item = await connection.outgoing.get()
            text, data = (item, None) if isinstance(item, str) else (None, item)
            await send({"type": "websocket.send", "text": text, "bytes": data})


@post(BROADCAST_PATH, status_code=202)
async def broadcast_batch(request: AnyRequest, realtime: NamedDependency[Realtime]) -> Response[Any]:
    """Many messages in one call."""
    if (token := _token(request)) is None:
        return CRASHED
    refused, access = rest.admitted(realtime, token)
    if access is None:
        return _response(realtime, refused)
    return _response(realtime, await rest.send_batch(realtime, access, request.headers, await request.body()))


@post(BROADCAST_PATH + "/{rest:path}", status_code=202)
async def broadcast_one(request: AnyRequest, realtime: NamedDependency[Realtime]) -> Response[Any]:
    """One message; its body is the payload itself."""
    if not realtime.limits.single_endpoint:
        return Response({"message": "Not found"}, status_code=404)
    if (token := _token(request)) is None:
        return CRASHED
    refused, access = rest.admitted(realtime, token)
    if access is None:
        return _response(realtime, refused)
    # The decoded path would take a %2F in a topic for a separator.
    raw = request.scope["raw_path"].split(b"?")[0].split(BROADCAST_PATH.encode() + b"/", 1)[1].split(b"/")
    if len(raw) != 3 or raw[1] != b"events":
        return _response(realtime, rest.Answer(404, {"message": "Not found"}))
    sending = rest.Single(
        topic=unquote_to_bytes(raw[0]).decode(),
        event=unquote_to_bytes(raw[2]).decode(),
        private=request.query_params.get("private") == "true",
        content_type=request.headers.get("content-type", "").partition(";")[0].strip(),
        body=await request.body(),
    )
    return _response(realtime, await rest.send_one(realtime, access, request.headers, sending))


CRASHED: Response[Any] = Response("Internal Server Error", status_code=500, media_type="application/json")


def _token(request: AnyRequest) -> str | None:
    """The token of the request, empty without one; None where the real server crashes.

    That is over an Authorization that is not of two words, as the gateway passes on a key that it does not know.
    """
    authorization = request.headers.get("authorization")
    if not authorization:
        return ""
    return bearer(authorization) or "" if len(authorization.split(" ")) == 2 else None


def _response(realtime: Realtime, answer: rest.Answer) -> Response[Any]:
    """The answer with its rate headers: the limit is of messages a second, the other two are of *requests*."""
    requests = int(realtime.requests.per_second())
    headers = {
        "x-rate-rolling": str(requests),
        "x-rate-limit": str(realtime.limits.messages_per_second),
        "x-rate-limit-remaining": str(realtime.limits.requests_per_second - requests),
    }
    if answer.body is None:
        return Response(b"", status_code=answer.status, headers=headers, media_type="text/plain")
    return Response(answer.body, status_code=answer.status, headers=headers)


def realtime_router() -> Router:
    """Every route of Realtime."""
    return Router(
        path="/realtime/v1",
        route_handlers=[websocket, broadcast_batch, broadcast_one],
        dependencies={"realtime": Provide(provide_realtime, sync_to_thread=False)},
        request_max_body_size=LARGEST_BODY,
    )
