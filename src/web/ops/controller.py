"""``/health``: for load balancers and deployments. Nothing here tells a version or a setting."""

from typing import Any

from dishka import FromDishka
from litestar import Controller, Request, Response, get
from litestar.openapi.datastructures import ResponseSpec

from application.ops.check_readiness import CheckReadiness
from web.authentication import OPEN
from web.injection import inject
from web.ops.schemas import Liveness, Readiness, ReadinessOut


class HealthController(Controller):
    """Open to everybody."""

    path = "/health"
    tags = ["health"]  # noqa: RUF012 - Litestar's form
    opt = {OPEN: True}  # noqa: RUF012 - Litestar's form
    security: list[Any] = []  # noqa: RUF012 - Litestar's form

    @get("/live", operation_id="live", summary="The process runs")
    async def live(self) -> Liveness:
        """Answer, and touch nothing."""
        return Liveness("ok")

    @get(
        "/ready",
        responses={503: ResponseSpec(ReadinessOut, generate_examples=False)},
        operation_id="ready",
        summary="The process can do its work",
    )
    @inject
    async def ready(
        self,
        request: Request[Any, Any, Any],  # noqa: ARG002 - the container hangs on it
        check_readiness: FromDishka[CheckReadiness],
    ) -> Response[ReadinessOut]:
        """200 when the database answers, its schema is new enough, and signing keys are known; else 503.

        A process that was asked to stop is ``draining``: it still answers, and wants no new work.
        """
        parts = await check_readiness()
        ready = all(word == "ok" for word in parts.values())
        status: Readiness = "draining" if "draining" in parts.values() else "ok" if ready else "unavailable"
        body = ReadinessOut(status, dict(parts))
        return Response(body, status_code=200 if ready else 503)
