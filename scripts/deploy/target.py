"""Which platform the environment names."""

import os
import time
from collections.abc import Mapping

from deploy.platforms import DeployFailedError, Pause, Platform, required


def platform_from(environment: Mapping[str, str] = os.environ, pause: Pause = time.sleep) -> Platform:
    """The platform that DEPLOY_TARGET names: ``railway``, ``ecs-express`` or ``app-runner``.

    Raises:
        DeployFailedError: it names none, or what that one needs is missing.
    """
    match required(environment, "DEPLOY_TARGET"):
        case "railway":
            from deploy.railway import Railway  # noqa: PLC0415 - each platform brings only its own client

            return Railway.from_environment(environment, pause)
        case "ecs-express":
            from deploy.ecs_express import EcsExpress  # noqa: PLC0415

            return EcsExpress.from_environment(environment, pause)
        case "app-runner":
            from deploy.app_runner import AppRunner  # noqa: PLC0415

            return AppRunner.from_environment(environment, pause)
        case other:
            raise DeployFailedError(f"DEPLOY_TARGET names no platform: {other}")
