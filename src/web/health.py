"""``/health``: for load balancers and deployments."""

import os
import socket
from typing import Any, Final, Literal

import msgspec
from dishka import FromDishka
from litestar import Controller, Request, Response, get
from litestar.openapi.datastructures import ResponseSpec

from application.ops import CheckReadiness
from web.authentication import PUBLIC
from web.endpoints import inject


class Liveness(msgspec.Struct):
    """The process runs; and which it is: release, host, and process id there."""

    status: Literal["ok"]
    release: str
    host: str
    process: int


class ReadinessOut(msgspec.Struct):
    """Whether the process can do its work, with a word for each part; and which process it is."""

    status: Literal["ok", "degraded", "draining", "unavailable"]
    parts: dict[str, str]
    release: str
    host: str
    process: int


_HOST: Final = socket.gethostname()


class HealthController(Controller):
    """Open to everybody, and not counted: a probe is never refused."""

    path = "/health"
    tags = ("health",)
    opt = {PUBLIC: True}  # noqa: RUF012 - Litestar's form
    security: list[Any] = [{}]  # noqa: RUF012 - Litestar's form; no requirement is one way to fulfil it

    @get("/live", operation_id="live", summary="The process runs")
    async def live(self, request: Request[Any, Any, Any]) -> Liveness:
        """Answer, and touch nothing. To restart by."""
        return Liveness("ok", request.app.state.release, _HOST, os.getpid())

    @get(
        "/ready",
        responses={503: ResponseSpec(ReadinessOut, generate_examples=False)},
        operation_id="ready",
        summary="The process can do its work",
    )
    @inject
    async def ready(
        self,
        request: Request[Any, Any, Any],
        check_readiness: FromDishka[CheckReadiness],
    ) -> Response[ReadinessOut]:
        """200 or 503, within two seconds, with a word for each part. To route by, never to restart by.

        ``ok``; or ``degraded``: it was ready once and the database is away, or takes no writes: requests are
        answered 503 by themselves; or ``draining``: it was asked to stop and wants no new work; or ``unavailable``:
        schema, database or signing keys were never right.
        """
        found = await check_readiness()
        body = ReadinessOut(found.status, dict(found.parts), request.app.state.release, _HOST, os.getpid())
        return Response(body, status_code=200 if found.ready else 503)
