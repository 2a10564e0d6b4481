"""Gives handlers their use-cases and settings, from the dishka container: once, when the service starts."""

from collections.abc import Awaitable, Callable
from functools import partial
from inspect import signature
from types import MethodType
from typing import Any, NewType, NoReturn, TypeVar, cast, get_type_hints

from dishka import AsyncContainer
from dishka.integrations.base import default_parse_dependency, wrap_injection

Handler = TypeVar("Handler", bound=Callable[..., Any])


Currency = NewType("Currency", str)
"""The deployment's one currency (ISO 4217)."""


def inject(handler: Handler) -> Handler:
    """Keep the ``FromDishka`` parameters of *handler* from Litestar, which would look for them in the request."""
    return cast("Handler", wrap_injection(func=handler, is_async=True, container_getter=_no_container))


def _no_container(*_: object) -> NoReturn:
    raise RuntimeError("only an endpoint calls a handler that has use-cases")


def is_injected(handler: Any) -> bool:
    """Whether *handler*, a method of a controller, has parameters that Litestar does not see."""
    return hasattr(handler, "__dishka_orig_func__")


async def with_use_cases(handler: Any, container: AsyncContainer) -> Callable[..., Awaitable[Any]]:
    """*handler*, for which :func:`is_injected` holds, with what *container* makes for it."""
    written = handler.__dishka_orig_func__
    hints = get_type_hints(written, include_extras=True)
    wanted = {
        name: key
        for name, parameter in signature(written).parameters.items()
        if (key := default_parse_dependency(parameter, hints.get(name)))
    }
    made = {name: await container.get(key.type_hint, key.component) for name, key in wanted.items()}
    return partial(MethodType(written, handler.__self__), **made)
