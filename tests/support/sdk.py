"""supabase-js and supabase-py, told the same query: the calls of supabase-js that build it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
from postgrest import APIError
from supabase import AsyncClientOptions, acreate_client

from support.javascript import Script, running

Steps = Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a client made of the answer; *error* holds PostgREST's body."""

    data: Any
    count: int | None
    error: dict[str, Any] | None

    @property
    def code(self) -> str | None:
        return None if self.error is None else str(self.error["code"])

    @property
    def rows(self) -> int:
        """How many rows were read or changed; none when it was refused."""
        return len(self.data) if isinstance(self.data, list) else int(self.data is not None)


class Sdk(Protocol):
    """A client library."""

    async def run(self, steps: Steps, token: str | None = None) -> Outcome:
        """Build the query and send it, as the owner of *token*, or as anon."""
        ...


@dataclass(frozen=True, slots=True)
class JavaScript:
    script: Script

    async def run(self, steps: Steps, token: str | None = None) -> Outcome:
        await self.script.do("run", token=token, steps=steps)
        told = await self.script.expect("ran")
        return Outcome(told["data"], told["count"], told["error"])


@dataclass(frozen=True, slots=True)
class Python:
    url: str
    key: str
    http: httpx.AsyncClient

    async def run(self, steps: Steps, token: str | None = None) -> Outcome:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        options = AsyncClientOptions(headers=headers, httpx_client=self.http, auto_refresh_token=False)
        client = await acreate_client(self.url, self.key, options)
        try:
            answer = await _built(client, steps).execute()
        except APIError as error:
            return Outcome(None, None, dict(error.json()))
        return Outcome(None, None, None) if answer is None else Outcome(answer.data, answer.count, None)


WORDS = {"from": "table", "in": "in_", "is": "is_", "or": "or_", "maybeSingle": "maybe_single"}
OPTIONS = {
    "onConflict": "on_conflict",
    "ignoreDuplicates": "ignore_duplicates",
    "referencedTable": "foreign_table",
}


def _built(client: Any, steps: Steps) -> Any:
    wanted = any(name == "select" for name, *_ in steps)
    query = client
    for name, *given in steps:
        query = _step(query, name, given, wanted=wanted)
    return query


def _step(query: Any, name: str, given: list[Any], *, wanted: bool) -> Any:
    """One call, in the words of supabase-py: what stands last in an object there is a keyword here."""
    values = 0 if name in {"delete", "rpc"} else 1
    if name == "not":
        column, operator, value = given
        return getattr(query.not_, WORDS.get(operator, operator))(column, value)
    if name == "rpc":
        return query.rpc(given[0], *given[1:] or [{}])
    last = given.pop() if len(given) > values and isinstance(given[-1], dict) else {}
    options = {OPTIONS.get(key, key): value for key, value in last.items()}
    if name in {"insert", "upsert", "update", "delete"} and not wanted:
        options["returning"] = "minimal"
    if name == "order":
        options["desc"] = not options.pop("ascending", True)
    return getattr(query, WORDS.get(name, name))(*given, **options)


@asynccontextmanager
async def javascript(url: str, key: str) -> AsyncIterator[Sdk]:
    """supabase-js in a Node of its own."""
    async with running("rest.mjs", url=url, key=key) as script:
        yield JavaScript(script)


@asynccontextmanager
async def python(url: str, key: str) -> AsyncIterator[Sdk]:
    """supabase-py."""
    async with httpx.AsyncClient(timeout=30) as http:
        yield Python(url, key, http)
