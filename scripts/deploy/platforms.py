"""What a platform must be able to do, and which one the environment names."""

import os
import time
from collections.abc import Callable, Mapping
from typing import Protocol

Pause = Callable[[float], None]

POLL_S = 10.0


class DeployFailedError(RuntimeError):
    """The platform did not bring the image into service; the message says what it said."""


class Platform(Protocol):
    """Somewhere that runs the image."""

    def current(self) -> str:
        """The image that is in service: ``name@sha256:…``."""
        ...

    def deploy(self, image: str) -> None:
        """Bring *image* into service, and return once it is.

        Raises:
            DeployFailedError: the platform gave up, or went back by itself.
        """
        ...


def required(environment: Mapping[str, str], name: str) -> str:
    """The variable *name*.

    Raises:
        DeployFailedError: it is missing.
    """
    if value := environment.get(name):
        return value
    raise DeployFailedError(f"{name} is missing")


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
