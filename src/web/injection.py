"""Hands use-cases and settings from the dishka container to route handlers: made once, so no scope is opened."""

from collections.abc import Callable
from typing import Any, NewType, TypeVar, cast

from dishka import AsyncContainer
from dishka.integrations.base import wrap_injection

Handler = TypeVar("Handler", bound=Callable[..., Any])


Currency = NewType("Currency", str)
"""The deployment's one currency (ISO 4217)."""


class Singletons:
    """What *container* makes once, without its lock and its look-up for each request."""

    def __init__(self, container: AsyncContainer) -> None:
        self._container = container
        self._made: dict[Any, Any] = {}

    async def get(self, kind: Any, component: str = "") -> Any:
        """The one instance of *kind*."""
        try:
            return self._made[kind]
        except KeyError:
            made = self._made[kind] = await self._container.get(kind, component)
            return made


def _singletons(_: tuple[Any, ...], arguments: dict[str, Any]) -> Any:
    return arguments["request"].scope["litestar_app"].state.singletons


def inject(handler: Handler) -> Handler:
    """Fill the ``FromDishka`` parameters of *handler*, which must take ``request``."""
    return cast("Handler", wrap_injection(func=handler, is_async=True, container_getter=_singletons))
