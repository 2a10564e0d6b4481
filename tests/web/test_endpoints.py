"""The short way to a handler and Litestar's own: both end at one endpoint, and neither is taken for the other."""

from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import httpx
import msgspec
import pytest
from dishka import FromDishka, Provider, Scope, make_async_container
from litestar import Controller, Litestar, Request, Response, get, post
from litestar.config.cors import CORSConfig
from litestar.params import HeaderParameter, JSONBody, PathParameter
from litestar.types import Guard

from domain.errors import ExpiredToken, PostNotFound
from domain.identity import Principal
from web.authentication import Authentication, SessionRequest
from web.bodies import wire
from web.endpoints import Endpoints, inject
from web.headers import TrustedProxies
from web.pagination import Limit
from web.problems import HANDLERS
from web.request_context import RequestContext

pytestmark = pytest.mark.anyio

PERSON = Principal(UUID(int=1), UUID(int=2))
ORIGIN = "https://app.example"
BEARER = {"Authorization": "Bearer good"}


class Shelf(dict[str, int]):
    """What the use-case of these tests has."""


class Thing(msgspec.Struct):
    """An answer."""

    name: str
    limit: int
    asked_by: UUID


class ThingIn(msgspec.Struct, forbid_unknown_fields=True):
    """A body."""

    count: int


class Things(Controller):
    """Routes of every shape that the service has."""

    path = "/things"

    @get("/{name:str}")
    @inject
    async def one(
        self,
        request: SessionRequest,
        shelf: FromDishka[Shelf],
        name: Annotated[str, PathParameter(max_length=5)],
        limit: Limit = 50,
        note: Annotated[str | None, HeaderParameter(name="X-Note")] = None,
    ) -> Response[Thing]:
        """Bytes that are ready."""
        if name not in shelf:
            raise PostNotFound
        assert note is None  # a header is for the document
        return wire(Thing, Thing(name, limit, request.user.user_id))

    @post("/")
    @inject
    async def add(self, request: SessionRequest, shelf: FromDishka[Shelf], data: JSONBody[ThingIn]) -> Thing:
        """An object that Litestar writes down."""
        shelf["new"] = data.count
        return Thing("new", shelf["new"], request.user.user_id)

    @get("/broken")
    @inject
    async def broken(self, request: SessionRequest, shelf: FromDishka[Shelf]) -> Thing:
        """A mistake of ours."""
        return Thing("missing", shelf["missing"], request.user.user_id)

    @get("/plain")
    async def plain(self, request: Request[Any, Any, Any]) -> str:
        """No use-case, so no endpoint; closed all the same."""
        return str(request.user.user_id)


class Tokens:
    """Knows one good token."""

    async def verify(self, token: str) -> Principal:
        """See the port."""
        if token != "good":
            raise ExpiredToken
        return PERSON


def _container() -> Any:
    provider = Provider(scope=Scope.APP)
    provider.provide(lambda: Shelf(a=1), provides=Shelf)
    return make_async_container(provider)


class Served:
    """The routes, and how often Litestar's own way was taken."""

    def __init__(self) -> None:
        self.endpoints = Endpoints()
        self.litestar = Litestar(
            [Things],
            middleware=[self.endpoints.middleware],
            request_class=SessionRequest,
            exception_handlers=HANDLERS,
            cors_config=CORSConfig(allow_origins=[ORIGIN]),
            openapi_config=None,
            logging_config=None,
        )
        self.long_ways = 0
        self.goes_long = False
        own = self.litestar.asgi_handler

        async def counted(*arguments: Any) -> None:
            self.long_ways += 1
            await own(*arguments)

        self.litestar.asgi_handler = counted

    async def http(self) -> httpx.AsyncClient:
        """A client."""
        await self.endpoints.prepare(self.litestar, _container(), Authentication(Tokens(), None))
        short: Any = self.endpoints.in_front_of(self.litestar)

        async def either(*arguments: Any) -> None:
            await (self.litestar if self.goes_long else short)(*arguments)

        app: Any = RequestContext(
            either,
            lambda *_: None,
            lambda _: None,
            TrustedProxies([]),
            "1",
        )
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api")


@pytest.fixture
async def served() -> Served:
    return Served()


@pytest.fixture
async def http(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with await served.http() as client:
        yield client


ASKED: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/things/a", {}),
    ("GET", "/things/a?limit=7", {}),
    ("GET", "/things/a?limit=0", {}),
    ("GET", "/things/a?limit=x", {}),
    ("GET", "/things/a?limit=7&limit=8", {}),
    ("GET", "/things/a?other=1", {}),
    ("GET", "/things/a", {"headers": {"X-Note": "hello"}}),
    ("GET", "/things/b", {}),
    ("GET", "/things/toolong", {}),
    ("GET", "/things/a", {"headers": {"Authorization": "Bearer bad"}}),
    ("GET", "/things/a", {"headers": {"Authorization": ""}}),
    ("GET", "/things/broken", {}),
    ("HEAD", "/things/a", {}),
    ("POST", "/things", {"json": {"count": 3}}),
    ("POST", "/things", {"json": {"count": "three"}}),
    ("POST", "/things", {"content": b"[]", "headers": {"Content-Type": "application/json"}}),
    ("POST", "/things", {"content": b"{}", "headers": {"Content-Type": "text/plain"}}),
]


@pytest.mark.parametrize(
    "whence",
    [
        {},
        {"Origin": ORIGIN},
        {"Origin": ORIGIN, "Cookie": "a=b"},
        {"Origin": "https://other.example"},
        {"Origin": "null"},
    ],
    ids=["the app", "a page", "a page with a cookie", "another page", "a file"],
)
@pytest.mark.parametrize(("method", "path", "sent"), ASKED)
async def test_both_ways_give_the_same_answer(
    served: Served,
    http: httpx.AsyncClient,
    method: str,
    path: str,
    sent: dict[str, Any],
    whence: dict[str, str],
) -> None:
    asked = {**sent, "headers": {**BEARER, **whence, **sent.get("headers", {})}}

    short = await http.request(method, path, **asked)
    assert served.long_ways == 0
    served.goes_long = True
    long = await http.request(method, path, **asked)
    assert served.long_ways == 1

    def told(answer: httpx.Response) -> object:
        body = answer.json() if answer.content else None
        headers = {
            name: value
            for name, value in answer.headers.items()
            if name not in {"x-request-id", "server-timing"}
        }
        return answer.status_code, headers, {**body, "request_id": ""} if isinstance(body, dict) else body

    assert told(short) == told(long)
    assert short.headers.get("access-control-allow-origin") == (
        ORIGIN if whence.get("Origin") == ORIGIN else None
    )


async def test_an_answer_holds_what_was_asked_for(http: httpx.AsyncClient) -> None:
    read = await http.get("/things/a?limit=7", headers=BEARER)
    made = await http.post("/things", json={"count": 3}, headers=BEARER)

    assert (read.status_code, read.json()) == (200, {"name": "a", "limit": 7, "asked_by": str(UUID(int=1))})
    assert (made.status_code, made.json()["limit"]) == (201, 3)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("PUT", "/things/a", 405), ("GET", "/things/a/", 200)],
)
async def test_what_is_unusual_goes_litestars_own_way(
    served: Served, http: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    assert (await http.request(method, path, headers=BEARER)).status_code == status
    assert served.long_ways == 1


async def test_a_route_without_use_cases_is_closed_too(http: httpx.AsyncClient) -> None:
    assert (await http.get("/things/plain")).status_code == 401
    assert (await http.get("/things/plain", headers=BEARER)).text == str(UUID(int=1))


async def test_a_handler_that_wants_more_of_litestar_is_refused_at_the_start() -> None:
    async def nobody(*_: Any) -> None:
        """A guard that an endpoint would pass by."""

    guards: list[Guard] = [nobody]
    app = Litestar([Things], guards=guards, request_class=SessionRequest, openapi_config=None)

    with pytest.raises(RuntimeError, match="an endpoint does not do"):
        await Endpoints().prepare(app, _container(), Authentication(Tokens(), None))
