"""The way from a request to a handler: what Litestar would look up each time is looked up when the service starts.

Litestar has the routes, converts parameters by the handlers' signatures, and documents them. What stands around a
handler when it is called (two layers for errors, one for middleware, a stack for dependencies, three to make an
answer) is one function here. Whatever is out of the ordinary goes Litestar's own way, and meets the same endpoints.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from inspect import signature
from types import MethodType
from typing import Any, Final, NewType, NoReturn, TypeVar, cast, get_type_hints

from dishka import AsyncContainer
from dishka.integrations.base import default_parse_dependency, wrap_injection
from litestar import Litestar
from litestar.exceptions import HTTPException
from litestar.middleware._internal.cors import CORSMiddleware
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Receive, Scope, Send

from web.authentication import PUBLIC, Authentication, SessionRequest
from web.bodies import Json, read_json
from web.headers import values_of
from web.problems import problem_of
from web.query import check_query, form_of

Handler = TypeVar("Handler", bound=Callable[..., Any])

Currency = NewType("Currency", str)
"""The deployment's one currency (ISO 4217)."""

_TAKEN: Final = {"request", "data"}
"""What a handler may take beside its parameters and its use-cases."""


def inject(handler: Handler) -> Handler:
    """Keep the ``FromDishka`` parameters of *handler* from Litestar, which would look for them in the request."""
    return cast("Handler", wrap_injection(func=handler, is_async=True, container_getter=_no_container))


def _no_container(*_: object) -> NoReturn:
    raise RuntimeError("only an endpoint calls a handler that has use-cases")


def _is_injected(handler: Any) -> bool:
    """Whether *handler*, a method of a controller, has parameters that Litestar does not see."""
    return hasattr(handler, "__dishka_orig_func__")


async def _with_use_cases(handler: Any, container: AsyncContainer) -> Callable[..., Awaitable[Any]]:
    """*handler*, for which :func:`_is_injected` holds, with what *container* makes for it."""
    written = handler.__dishka_orig_func__
    hints = get_type_hints(written, include_extras=True)
    wanted = {
        name: key
        for name, parameter in signature(written).parameters.items()
        if (key := default_parse_dependency(parameter, hints.get(name)))
    }
    made = {name: await container.get(key.type_hint, key.component) for name, key in wanted.items()}
    return partial(MethodType(written, handler.__self__), **made)


class Endpoint:
    """A route's handler, ready to be called: an ASGI application that has an answer for every request.

    A header that a handler declares is for the OpenAPI document alone: who needs it reads it from the request, so
    that a repeated one is seen.
    """

    __slots__ = (
        *("_authentication", "_call", "_defaults", "_fields", "_forms", "_handler"),
        *("_reads_body", "_reads_path"),
    )

    def __init__(
        self,
        handler: Any,
        parameters: Any,
        call: Callable[..., Awaitable[Any]],
        authentication: Authentication | None,
    ) -> None:
        """*call* is *handler* with its use-cases, *parameters* what Litestar knows of its others; None: it is open.

        Raises:
            RuntimeError: the handler wants of Litestar what nobody does here.
        """
        queried = {parameter.field_alias: parameter for parameter in parameters.expected_query_params}
        optional = [*queried.values(), *parameters.expected_header_params]
        foreign = (
            *(parameters.expected_reserved_kwargs - _TAKEN, parameters.expected_cookie_params),
            *(parameters.dependency_batches, [one for one in optional if one.is_required]),
            *(handler.cache, handler.resolve_guards()),
            *(handler.resolve_before_request(), handler.resolve_after_response()),
        )
        if any(foreign):
            raise RuntimeError(f"{handler} wants of Litestar what an endpoint does not do")
        signature = handler.parsed_fn_signature.parameters
        self._handler = handler
        self._call = call
        self._authentication = authentication
        self._defaults = {parameter.field_name: parameter.default for parameter in optional}
        self._fields = {alias: parameter.field_name for alias, parameter in queried.items()}
        self._forms = {alias: form_of(signature[field]) for alias, field in self._fields.items()}
        self._reads_path = bool(parameters.expected_path_params)
        self._reads_body = "data" in parameters.expected_reserved_kwargs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Find out who asks and what, have it done, and answer."""
        request = SessionRequest(scope, receive, send)
        answer: Any
        try:
            sent: Mapping[str, str] = {}
            if self._authentication is not None:
                scope["user"] = await self._authentication.identify(scope)
                if query := scope["query_string"]:
                    sent = check_query(query, self._forms)
            if sent or self._reads_path or self._reads_body:
                answer = await self._call(**await self._arguments(request, sent))
            else:
                answer = await self._call(request=request, **self._defaults)
            if not isinstance(answer, Json):
                answer = await self._handler.to_response(app=request.app, data=answer, request=request)
        except Exception as error:
            answer = problem_of(request, error).to_asgi_response(app=None, request=request)
        if isinstance(answer, Json):
            await answer.send(send, self._handler.status_code)
        else:
            await answer(scope, receive, send)

    async def _arguments(self, request: SessionRequest, sent: Mapping[str, str]) -> dict[str, Any]:
        """What the handler is called with, converted and checked by Litestar."""
        values = {"request": request, **self._defaults, **request.scope["path_params"]}
        for alias, value in sent.items():
            values[self._fields[alias]] = value
        if self._reads_body:
            values["data"] = await read_json(request)
        arguments: dict[str, Any] = self._handler.signature_model.parse_values_from_connection_kwargs(
            request, values
        )
        return arguments


class Endpoints:
    """The endpoints of an application, and the short way to them.

    Litestar's own way leads to them by :meth:`middleware`. It is taken by what is no route, and by a path in an
    unusual spelling.
    """

    def __init__(self) -> None:
        self._endpoints: dict[Any, Endpoint] = {}
        self._authentication: Authentication | None = None

    async def prepare(self, app: Litestar, container: AsyncContainer, authentication: Authentication) -> None:
        """Make an endpoint of each handler of *app* that has use-cases, which *container* makes."""
        self._authentication = authentication
        for route in app.routes:
            handlers = route.route_handler_map.values() if isinstance(route, HTTPRoute) else ()
            for handler, parameters in handlers:
                if _is_injected(handler.fn):
                    call = await _with_use_cases(handler.fn, container)
                    closed = None if handler.opt.get(PUBLIC) else authentication
                    self._endpoints[handler] = Endpoint(handler, parameters, call, closed)

    def middleware(self, app: ASGIApp) -> ASGIApp:
        """Litestar's middleware: it ends at an endpoint. What has none is closed too, unless it says otherwise."""

        async def enter(scope: Scope, receive: Receive, send: Send) -> None:
            handler: Any = scope["route_handler"]
            endpoint = self._endpoints.get(handler)
            if endpoint is None and self._authentication is not None and not handler.opt.get(PUBLIC):
                scope["user"] = await self._authentication.identify(scope)
            await (endpoint or app)(scope, receive, send)

        return enter

    def in_front_of(self, app: Litestar) -> ASGIApp:
        """*app*, and before it the short way."""
        find, endpoints = app.asgi_router.handle_routing, self._endpoints
        origins = None if app.cors_config is None else CORSMiddleware(app, app.cors_config)

        async def serve(scope: Any, receive: Receive, send: Send) -> None:
            path: str = scope["path"] if scope["type"] == "http" else "/"
            if not (path.endswith("/") or "//" in path):
                try:
                    _, handler, _, parameters, template = find(path=path, method=scope["method"])
                except HTTPException:
                    pass  # Litestar has the words for it
                else:
                    if endpoint := endpoints.get(handler):
                        scope["app"] = scope["litestar_app"] = app
                        scope["route_handler"], scope["path_template"] = handler, template
                        scope["path_params"] = parameters
                        if origins is not None and (origin := values_of(scope, b"origin")):
                            has_cookie = bool(values_of(scope, b"cookie"))
                            send = origins.send_wrapper(send, origin[0].decode("latin-1"), has_cookie)
                        await endpoint(scope, receive, send)
                        return
            await app(scope, receive, send)

        return serve
