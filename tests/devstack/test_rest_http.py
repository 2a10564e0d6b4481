"""``/rest/v1`` on the wire: statuses and headers, who a request acts as, and what a hostile one can do."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devstack.database import Connection
from support.people import Person
from support.stack import SupabaseStack

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("notes")]

SCHEMA = """
create table public.notes (id int primary key, text text, secret boolean not null default false);
alter table public.notes enable row level security;
create policy notes on public.notes for all to anon, authenticated using (not secret) with check (not secret);
grant all on public.notes to anon, authenticated, service_role;
insert into public.notes select n, 'note ' || n, n = 3 from generate_series(1, 3) n;
create table public.many (n int primary key);
grant select on public.many to anon;
insert into public.many select generate_series(1, 1001);
create function public.who() returns json language sql stable as $$
  select json_build_object('user', current_user, 'session', session_user, 'sub', auth.uid(), 'role', auth.role(),
    'timeout', current_setting('statement_timeout'), 'method', current_setting('request.method'))
$$;
create function public.add_note() returns int language sql as 'insert into public.notes values (9) returning id';
create function public.raise_state(state text) returns void language plpgsql as $$
begin raise exception using errcode = state, message = 'raised'; end $$;
"""
GONE = """
drop table public.notes, public.many; drop function public.who, public.add_note, public.raise_state
"""
ONE = {"Accept": "application/vnd.pgrst.object+json"}
COUNTED = {"Prefer": "count=exact"}
WANTED = {"Prefer": "return=representation"}
NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(scope="module")
async def notes(stack: SupabaseStack) -> AsyncIterator[None]:
    connection = await asyncpg.connect(stack.database_url)
    await connection.execute(SCHEMA)
    yield
    await connection.execute(GONE)
    await connection.close()


@pytest.fixture
async def rest(stack: SupabaseStack) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"apikey": stack.publishable_key}
    async with httpx.AsyncClient(base_url=f"{stack.url}/rest/v1", headers=headers, timeout=30) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "headers", "status", "content_range"),
    [
        ("/notes", {}, 200, "0-1/*"),
        ("/notes", COUNTED, 200, "0-1/2"),
        ("/notes?limit=1", {}, 200, "0-0/*"),
        ("/notes?limit=1", COUNTED, 206, "0-0/2"),
        ("/notes?limit=1&offset=1", COUNTED, 206, "1-1/2"),
        ("/notes", {"Range": "1-1", **COUNTED}, 206, "1-1/2"),
        ("/notes", {"Range": "1-", **COUNTED}, 206, "1-1/2"),
        ("/notes?limit=0", COUNTED, 206, "*/2"),
        ("/notes?id=eq.99", COUNTED, 200, "*/0"),
        ("/notes?id=eq.99", {}, 200, "*/*"),
        ("/many", {}, 200, "0-999/*"),
        ("/many?limit=5000", COUNTED, 206, "0-999/1001"),
    ],
)
async def test_a_read_tells_its_range(
    rest: httpx.AsyncClient, path: str, headers: dict[str, str], status: int, content_range: str
) -> None:
    answer = await rest.get(path, headers=headers)
    assert (answer.status_code, answer.headers["content-range"]) == (status, content_range)


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/notes?offset=9", COUNTED),
        ("/notes?limit=-1", {}),
        ("/notes?offset=-1", {}),
        ("/notes", {"Range": "2-1"}),
    ],
)
async def test_a_range_beyond_the_rows_is_refused(
    rest: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    answer = await rest.get(path, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (416, "PGRST103")


async def test_a_head_request_has_the_headers_alone(rest: httpx.AsyncClient) -> None:
    answer = await rest.head("/notes", headers=COUNTED)
    assert (answer.status_code, answer.headers["content-range"], answer.content) == (200, "0-1/2", b"")


@pytest.mark.parametrize(
    "note", [{"id": 7, "text": "seven"}, [{"id": 7, "text": "seven"}]], ids=["one", "list"]
)
async def test_writes_have_postgrests_statuses(rest: httpx.AsyncClient, note: Any) -> None:
    made = await rest.post("/notes", json=note)
    changed = await rest.patch("/notes?id=eq.7", json={"text": "7"}, headers=WANTED)
    quietly = await rest.patch("/notes?id=eq.7", json={"text": "vii"}, headers=COUNTED)
    nothing = await rest.patch("/notes?id=eq.99", json={"text": "7"}, headers=WANTED)
    gone = await rest.delete("/notes?id=eq.7", headers=COUNTED)
    statuses = [answer.status_code for answer in (made, changed, quietly, nothing, gone)]
    assert statuses == [201, 200, 204, 200, 204]
    assert changed.json() == [{"id": 7, "text": "7", "secret": False}]
    assert (quietly.headers["content-range"], nothing.json()) == ("0-0/1", [])
    assert (gone.headers["content-range"], gone.content) == ("*/1", b"")


async def test_an_empty_list_inserts_nothing(rest: httpx.AsyncClient, database: Connection) -> None:
    answer = await rest.post("/notes", json=[], headers=WANTED)
    assert (answer.status_code, answer.json()) == (201, [])
    assert await database.fetchval("select count(*) from public.notes") == 3


async def test_a_write_of_other_than_one_row_is_undone(rest: httpx.AsyncClient, database: Connection) -> None:
    answer = await rest.patch("/notes?id=in.(1,2)", json={"text": "same"}, headers={**WANTED, **ONE})
    assert (answer.status_code, answer.json()["code"]) == (406, "PGRST116")
    assert await database.fetchval("select count(*) from public.notes where text = 'same'") == 0


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("POST", "/notes", {"content": b"{"}, 400, "PGRST102"),
        ("POST", "/notes", {"json": [{"id": 5}, {"text": "x"}]}, 400, "PGRST102"),
        ("POST", "/notes", {"json": [1]}, 400, "PGRST102"),
        ("PATCH", "/notes?id=eq.1", {"json": [{}, {}]}, 400, "PGRST102"),
        ("POST", "/notes", {"json": {"id": 5, "text": "x\u0000"}}, 400, "22P05"),
        ("POST", "/notes", {"json": {"id": 1}}, 409, "23505"),
        ("POST", "/notes", {"json": {"id": 5, "secret": True}}, 401, "42501"),
        ("GET", "/notes?text=eq.%00", {}, 400, "22021"),
        ("GET", "/notes", {"headers": {"Accept": "text/csv"}}, 406, "PGRST107"),
        ("GET", "/notes", {"headers": {"Accept-Profile": "auth"}}, 406, "PGRST106"),
        ("POST", "/notes", {"json": {}, "headers": {"Content-Profile": "auth"}}, 406, "PGRST106"),
        ("GET", "/notes?select=text::regclass", {}, 400, "PGRST127"),
        ("GET", "/nope", {}, 404, "PGRST205"),
        ("GET", "/pg_class", {}, 404, "PGRST205"),
        ("GET", "/rpc/nope", {}, 404, "PGRST202"),
        ("GET", "/rpc/pg_sleep?a=1", {}, 404, "PGRST202"),
        ("GET", "/rpc/add_note", {}, 405, "25006"),
        ("GET", "/rpc/raise_state?state=PT418", {}, 418, "PT418"),
        ("GET", "/rpc/raise_state?state=57014", {}, 500, "57014"),
        ("GET", "/rpc/raise_state?state=53300", {}, 503, "53300"),
    ],
)
async def test_a_refusal_has_postgrests_status(
    rest: httpx.AsyncClient, method: str, path: str, options: dict[str, Any], status: int, code: str
) -> None:
    answer = await rest.request(method, path, **options)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_what_is_forbidden_is_401_to_nobody_and_403_to_a_user(
    rest: httpx.AsyncClient, person: Person
) -> None:
    note = {"id": 5, "secret": True}
    anonymous = await rest.post("/notes", json=note)
    user = await rest.post("/notes", json=note, headers={"Authorization": f"Bearer {person.token}"})
    assert (anonymous.status_code, anonymous.headers["www-authenticate"]) == (401, "Bearer")
    assert (user.status_code, user.json()["code"]) == (403, "42501")


async def test_a_request_acts_as_the_role_and_with_the_claims_of_its_token(
    rest: httpx.AsyncClient, stack: SupabaseStack, person: Person
) -> None:
    anonymous = await rest.post("/rpc/who")
    user = await rest.get("/rpc/who", headers={"Authorization": f"Bearer {person.token}"})
    backend = await rest.post("/rpc/who", headers={"apikey": stack.secret_key})
    assert anonymous.json() == {
        "user": "anon",
        "session": "authenticator",
        "sub": None,
        "role": "anon",
        "timeout": "3s",
        "method": "POST",
    }
    assert user.json() == {
        "user": "authenticated",
        "session": "authenticator",
        "sub": person.id,
        "role": "authenticated",
        "timeout": "8s",
        "method": "GET",
    }
    assert (backend.json()["user"], backend.json()["role"]) == ("service_role", "service_role")


async def test_only_the_service_role_passes_the_policies(
    rest: httpx.AsyncClient, stack: SupabaseStack
) -> None:
    everything = await rest.get("/notes?select=id&order=id", headers={"apikey": stack.secret_key})
    shown = await rest.get("/notes?select=id&order=id")
    assert everything.json() == [{"id": 1}, {"id": 2}, {"id": 3}]
    assert shown.json() == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize("key", ["sb_publishable_unknown", "no key at all"])
async def test_an_unknown_key_is_refused(rest: httpx.AsyncClient, key: str) -> None:
    answer = await rest.get("/notes", headers={"apikey": key})
    assert (answer.status_code, answer.json()["code"]) == (401, "PGRST301")
    assert answer.headers["www-authenticate"].startswith('Bearer error="invalid_token"')


async def test_a_change_of_the_schema_is_seen_at_once(rest: httpx.AsyncClient, database: Connection) -> None:
    await rest.get("/notes")
    await database.execute("alter table public.notes add column mood text default 'glad'")
    try:
        assert (await rest.get("/notes?select=mood&id=eq.1")).json() == [{"mood": "glad"}]
    finally:
        await database.execute("alter table public.notes drop column mood")


hostile = st.text(
    st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=20
) | st.sampled_from(
    [
        "'; drop table notes; --",
        '"',
        "$1",
        "\\",
        "*",
        "a,b)",
        "public.notes",
        "id) from notes; select (1",
        "%",
        "{}",
    ]
)
ONLY_DATA = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@ONLY_DATA
@given(text=hostile)
async def test_any_text_comes_back_as_it_was_written(rest: httpx.AsyncClient, text: str) -> None:
    made = await rest.post("/notes?select=text", json={"id": 8, "text": text}, headers={**WANTED, **ONE})
    spelled = text.replace("\\", "\\\\").replace('"', '\\"')
    found = [
        await rest.get("/notes", params={"select": "id", "text": f"eq.{text}"}),
        await rest.get("/notes", params={"select": "id", "text": f'in.("{spelled}")'}),
        await rest.get("/notes", params={"select": "id", "or": f'(text.eq."{spelled}",id.eq.99)'}),
    ]
    gone = await rest.delete("/notes", params={"text": f"eq.{text}"})
    assert made.json() == {"text": text}
    assert [answer.json() for answer in found] == [[{"id": 8}]] * 3
    assert gone.status_code == 204


@ONLY_DATA
@given(
    name=hostile,
    place=st.sampled_from(["select", "order", "column", "table", "on_conflict", "rpc", "or", "body"]),
)
async def test_no_name_becomes_more_than_a_name(
    rest: httpx.AsyncClient, database: Connection, name: str, place: str
) -> None:
    query = {
        "select": {"select": f"id,{name}"},
        "order": {"order": name},
        "column": {name: "eq.1"},
        "or": {"or": f"(id.eq.1,{name}.eq.1)"},
    }
    if place == "on_conflict":
        headers = {"Prefer": "resolution=merge-duplicates"}
        answer = await rest.post("/notes", json={"id": 1}, params={"on_conflict": name}, headers=headers)
    elif place == "body":
        answer = await rest.patch("/notes?id=eq.99", json={name: 1})
    elif place in query:
        answer = await rest.get("/notes", params=query[place])
    else:
        answer = await rest.get(f"/{'rpc/' * (place == 'rpc')}x{quote(name, safe='')}")
    assert answer.status_code in {200, 201, 204, 307, 400, 404, 405}
    assert await database.fetchval("select count(*) from public.notes") == 3
