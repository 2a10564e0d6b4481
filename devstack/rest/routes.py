"""PostgREST's URL map under ``/rest/v1``: one transaction a request, with its token's role and claims."""

import re
from typing import Any
from urllib.parse import parse_qsl

import asyncpg
import msgspec
from litestar import Response, Router, route
from litestar.enums import HttpMethod
from litestar.params import FromPath

from devstack.auth.errors import AnyRequest
from devstack.database import Pool
from devstack.gateway import bearer
from devstack.keys import Access, SigningKey, TokenError, read_access
from devstack.rest.catalog import SCHEMA, Catalog, load_catalog
from devstack.rest.errors import RestError, from_postgres
from devstack.rest.grammar import names, not_satisfiable, parse_query
from devstack.rest.statements import Statement

LARGEST_BODY = 8_000_000
JSON, OBJECT = "application/json", "application/vnd.pgrst.object+json"
READS = {"GET", "HEAD"}
APPLIED = {"count", "resolution", "return"}
# What a user may set of the role's own settings, statement_timeout among it.
_SETTINGS = """
select set_config(p.name, substr(s.setting, strpos(s.setting, '=') + 1), true)
from pg_roles r, unnest(r.rolconfig) s (setting) join pg_settings p on p.name = split_part(s.setting, '=', 1)
where r.rolname = $1 and p.context = 'user'
"""
_ACT_AS = """
select set_config('request.jwt.claims', $2, true), set_config('request.method', $3, true),
       set_config('request.path', $4, true), set_config('request.headers', $5, true), set_config('role', $1, true)
"""


class Rest:
    """The service: the key that signs tokens, and connections that log in as ``authenticator``."""

    def __init__(self, key: SigningKey, pool: Pool) -> None:
        self.key, self.pool = key, pool

    def access(self, authorization: str | None) -> Access:
        """Who asks: ``anon`` without a token; a bad one is PGRST301, an expired one PGRST303."""
        if authorization is None:
            return Access("", {"role": "anon"})
        try:
            return read_access(self.key, bearer(authorization) or "")
        except TokenError as error:
            if error.text.startswith("Token has expired"):
                raise RestError(401, "PGRST303", "JWT expired") from None
            raise RestError(401, "PGRST301", "JWT couldn't be decoded") from None


class Call:
    """What a request asks for, apart from who asks.

    Raises:
        RestError: it can't be understood.
    """

    def __init__(self, request: AnyRequest, name: str, body: bytes, *, of_function: bool) -> None:
        self.name, self.of_function, self.method = name, of_function, str(request.method)
        self.reads = of_function or self.method in READS
        headers = request.headers
        profile = headers.get("accept-profile" if self.method in READS else "content-profile", SCHEMA)
        if profile != SCHEMA:
            hint = f"Only the following schemas are exposed: {SCHEMA}"
            raise RestError(406, "PGRST106", f"Invalid schema: {profile}", None, hint)
        accepted = {one.partition(";")[0].strip() for one in headers.get("accept", "*/*").split(",")}
        if not accepted & {"*/*", "application/*", JSON, OBJECT}:
            raise RestError(406, "PGRST107", f"None of these media types are available: {headers['accept']}")
        self.single = OBJECT in accepted
        preferences = ",".join(headers.getall("prefer", [])).split(",")
        self.prefer = {key.strip(): value for key, _, value in (one.partition("=") for one in preferences)}
        self.nothing = not (self.reads or self.prefer.get("return") == "representation")
        pairs = parse_qsl(request.scope["query_string"].decode("latin-1"), keep_blank_values=True)
        lists = {key: names(value) for key, value in pairs if key in {"columns", "on_conflict"}}
        self.columns, self.on_conflict = lists.get("columns"), lists.get("on_conflict")
        self.query = parse_query(pairs, of_function=of_function and self.method in READS)
        self._narrow(headers.get("range", ""))
        self.payload: Any = self.query.arguments if self.method in READS else self._payload(body)

    def _narrow(self, header: str) -> None:
        """The Range header begins where the query string does."""
        if found := re.fullmatch(r"(\d{1,18})-(\d{1,18})?", header):
            first, last = int(found[1]), found[2]
            if last and int(last) < first:
                few = "The lower boundary must be lower than or equal to the upper boundary in the Range header."
                raise not_satisfiable(few)
            self.query.offset += first
            asked = int(last) - first + 1 if last else self.query.limit
            self.query.limit = min(filter(None, (asked, self.query.limit)), default=self.query.limit)

    def _payload(self, body: bytes) -> Any:
        """The body: one object, or for an insert a list of such with the same keys; None for a deletion."""
        invalid = RestError(400, "PGRST102", "Empty or invalid json")
        if self.method == "DELETE":
            return None
        try:
            payload = msgspec.json.decode(body or (b"{}" if self.of_function else b""))
        except ValueError:
            raise invalid from None
        rows = payload if isinstance(payload, list) else [payload]
        if not all(isinstance(row, dict) for row in rows):
            raise invalid
        if self.of_function or self.method == "PATCH":
            if len(rows) != 1:
                raise invalid
            rows = rows[0]
            self.columns = self.columns or list(rows)
        elif self.columns is None:
            self.columns = list(rows[0]) if rows else []
            if any(set(row) != set(self.columns) for row in rows):
                raise RestError(400, "PGRST102", "All object keys must match")
        return rows

    def sql(self, catalog: Catalog) -> tuple[str, list[str | list[str]]]:
        """The statement and its parameters."""
        counted = self.prefer.get("count") in {"exact", "planned", "estimated"}
        shape = {"counted": counted, "single": self.single, "returning": not self.nothing}
        statement = Statement(catalog, self.query, **shape)
        body, columns = msgspec.json.encode(self.payload).decode(), self.columns or []
        resolution, keys = self.prefer.get("resolution"), self.on_conflict or []
        if self.of_function:
            function = catalog.function(self.name, set(self.payload))
            self.nothing = function.returns_void
            return statement.call(function, body, self.payload), statement.arguments
        written = {
            "POST": lambda: statement.insert(self.name, body, columns, resolution, keys),
            "PATCH": lambda: statement.update(self.name, body, columns),
            "DELETE": lambda: statement.delete(self.name),
        }
        return written.get(self.method, lambda: statement.read(self.name))(), statement.arguments

    def response(self, total: int | None, rows: int, body: str) -> Response[bytes]:
        """What PostgREST answers when the statement has found this.

        Raises:
            RestError: one row was asked for and another number found; rows were asked for beyond the last.
        """
        if self.single and rows != 1:
            found = f"The result contains {rows} rows"
            raise RestError(406, "PGRST116", "Cannot coerce the result to a single JSON object", found)
        first, status = self.query.offset, 201 if self.method == "POST" else 200
        if self.reads:
            if total is not None and first > total:
                raise not_satisfiable(f"An offset of {first} was requested, but there are only {total} rows.")
            status = 206 if total is not None and rows < total else 200
        elif "count" not in self.prefer:
            total = None
        if self.nothing:
            status, body = (201 if status == 201 and not self.of_function else 204), ""
        shown = rows and (self.reads or self.method == "PATCH")
        between = f"{first}-{first + rows - 1}" if shown else "*"
        headers = {"Content-Range": f"{between}/{'*' if total is None else total}"}
        if applied := ", ".join(f"{key}={value}" for key, value in self.prefer.items() if key in APPLIED):
            headers["Preference-Applied"] = applied
        return _response(status, body.encode(), headers, OBJECT if self.single else JSON)


def _response(status: int, body: bytes, headers: dict[str, str], media: str = JSON) -> Response[bytes]:
    typed = f"{media}; charset=utf-8" if body else "text/plain"
    return Response(body, status_code=status, headers=headers, media_type=typed)


async def _answer(request: AnyRequest, name: str, *, of_function: bool) -> Response[bytes]:
    rest: Rest = request.app.state.rest
    role = "anon"
    try:
        access = rest.access(request.headers.get("authorization"))
        role = access.role
        call = Call(request, name, await request.body(), of_function=of_function)
        claims, spoken = (msgspec.json.encode(one).decode() for one in (access.claims, dict(request.headers)))
        async with rest.pool.acquire() as connection, connection.transaction(readonly=call.method in READS):
            sql, arguments = call.sql(await load_catalog(connection))
            await connection.execute(_SETTINGS, role)
            await connection.execute(_ACT_AS, role, claims, call.method, f"/{name}", spoken)
            [found] = await connection.fetch(sql, *arguments)
            return call.response(*found)
    except asyncpg.PostgresError as error:
        refused = from_postgres(error, role)
    except RestError as error:
        refused = error
    body = {
        "code": refused.code,
        "message": refused.message,
        "details": refused.details,
        "hint": refused.hint,
    }
    return _response(refused.status, msgspec.json.encode(body), refused.headers)


@route("/{name:str}", http_method=[*map(HttpMethod, ("GET", "HEAD", "POST", "PATCH", "DELETE"))])
async def rows(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """Reads and writes the rows of a table or a view."""
    return await _answer(request, name, of_function=False)


@route("/rpc/{name:str}", http_method=[*map(HttpMethod, ("GET", "HEAD", "POST"))])
async def rpc(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """Calls a function; GET in a transaction that may only read."""
    return await _answer(request, name, of_function=True)


def rest_router() -> Router:
    """Every route of it."""
    return Router(path="/rest/v1", route_handlers=[rows, rpc], request_max_body_size=LARGEST_BODY)
