"""Hands use-cases and settings from the dishka container to route handlers: made once, so no scope is opened."""

from collections.abc import Callable
from typing import Any, NewType, TypeVar, cast

from dishka import AsyncContainer
from dishka.integrations.base import wrap_injection

Handler = TypeVar("Handler", bound=Callable[..., Any])


Currency = NewType("Currency", str)
"""The deployment's one currency (ISO 4217)."""


def _container(_: tuple[Any, ...], arguments: dict[str, Any]) -> AsyncContainer:
    container: AsyncContainer = arguments["request"].app.state.container
    return container


def inject(handler: Handler) -> Handler:
    """Fill the ``FromDishka`` parameters of *handler*, which must take ``request``."""
    return cast("Handler", wrap_injection(func=handler, is_async=True, container_getter=_container))
