"""What a platform must be able to do."""

from collections.abc import Callable, Mapping
from typing import Protocol

Pause = Callable[[float], None]

POLL_S = 10.0


class DeployFailedError(RuntimeError):
    """The platform did not bring the image into service; the message says what it said."""


class Platform(Protocol):
    """Somewhere that runs the image."""

    def current(self) -> str | None:
        """The image that is in service: ``name@sha256:…``; None before the first deployment."""
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
