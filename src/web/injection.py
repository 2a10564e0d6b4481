"""Hands use-cases from the dishka container to route handlers: they are made once, so no scope is opened."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from dishka import AsyncContainer
from dishka.integrations.base import wrap_injection

Handler = TypeVar("Handler", bound=Callable[..., Any])


def _container(_: tuple[Any, ...], arguments: dict[str, Any]) -> AsyncContainer:
    container: AsyncContainer = arguments["request"].app.state.container
    return container


def inject(handler: Handler) -> Handler:
    """Fill the ``FromDishka`` parameters of *handler*, which must take ``request``."""
    return cast("Handler", wrap_injection(func=handler, is_async=True, container_getter=_container))
