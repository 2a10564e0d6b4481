"""Auth over plain HTTP: tokens, statuses, both error shapes, rotation, and what the rows say afterwards."""

import asyncio
import uuid
from typing import Any

import httpx
import jwt
import pytest

from devstack.auth.users import hash_password, password_matches
from devstack.database import Connection
from devstack.keys import SigningKey
from devstack.postgres import LocalPostgres
from support.people import PASSWORD, Person, sign_up
from support.stack import SupabaseStack, supabase_on

pytestmark = pytest.mark.anyio

VERSIONED = {"X-Supabase-Api-Version": "2024-01-01"}
CLAIMS = {
    "iss", "aud", "sub", "role", "exp", "iat", "email", "phone", "app_metadata", "user_metadata", "aal",
    "amr", "session_id", "is_anonymous",
}  # fmt: skip


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def sign_in(
    http: httpx.AsyncClient, email: str, password: str = PASSWORD, **headers: Any
) -> httpx.Response:
    body = {"email": email, "password": password}
    return await http.post("/auth/v1/token?grant_type=password", json=body, **headers)


async def refresh(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await http.post("/auth/v1/token?grant_type=refresh_token", json={"refresh_token": token})


async def session_rows(database: Connection, user_id: str) -> int:
    count: int = await database.fetchval(
        "select count(*) from auth.sessions where user_id = $1", uuid.UUID(user_id)
    )
    return count


async def test_an_access_token_has_exactly_the_documented_claims_and_verifies_by_the_published_key(
    http: httpx.AsyncClient, stack: SupabaseStack, person: Person
) -> None:
    answer = await http.get("/auth/v1/.well-known/jwks.json", headers={"apikey": ""})
    key = jwt.PyJWKSet.from_dict(answer.json())[jwt.get_unverified_header(person.token)["kid"]]
    claims = jwt.decode(
        person.token, key, algorithms=["ES256"], audience="authenticated", issuer=f"{stack.url}/auth/v1"
    )
    assert answer.headers["cache-control"] == "public, max-age=600"
    assert answer.json()["keys"][0]["key_ops"] == ["verify"]
    assert "d" not in answer.json()["keys"][0]
    assert set(claims) == CLAIMS
    assert (claims["sub"], claims["email"], claims["phone"]) == (person.id, person.email, "")
    assert (claims["role"], claims["aal"], claims["is_anonymous"]) == ("authenticated", "aal1", False)
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["amr"][0]["method"] == "password"
    assert jwt.get_unverified_header(person.token).keys() == {"alg", "kid", "typ"}


async def test_the_openid_configuration_names_the_keys_and_is_cached_alike(
    http: httpx.AsyncClient, stack: SupabaseStack
) -> None:
    answer = await http.get("/auth/v1/.well-known/openid-configuration")
    assert answer.json()["issuer"] == f"{stack.url}/auth/v1"
    assert answer.json()["jwks_uri"] == f"{stack.url}/auth/v1/.well-known/jwks.json"
    assert answer.headers["cache-control"] == "public, max-age=600"


async def test_health_and_settings_answer(http: httpx.AsyncClient) -> None:
    assert (await http.get("/auth/v1/health")).json()["name"] == "GoTrue"
    assert (await http.get("/auth/v1/settings")).json()["external"]["anonymous_users"] is True


async def test_a_wrong_password_has_both_body_shapes(http: httpx.AsyncClient, person: Person) -> None:
    older = await sign_in(http, person.email, "wrong")
    newer = await sign_in(http, person.email, "wrong", headers=VERSIONED)
    message = "Invalid login credentials"
    assert (older.status_code, newer.status_code) == (400, 400)
    assert older.json() == {"code": 400, "error_code": "invalid_credentials", "msg": message}
    assert newer.json() == {"code": "invalid_credentials", "message": message}
    assert "x-supabase-api-version" not in older.headers
    assert newer.headers["x-supabase-api-version"] == "2024-01-01"
    assert older.headers["x-sb-error-code"] == newer.headers["x-sb-error-code"] == "invalid_credentials"


async def test_an_unknown_address_is_refused_as_a_wrong_password_is(http: httpx.AsyncClient) -> None:
    answer = await sign_in(http, "nobody@lingualink.test", headers=VERSIONED)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_credentials")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"email": "not an address", "password": PASSWORD}, 400, "validation_failed"),
        ({"email": "someone@lingualink.test"}, 400, "validation_failed"),
        ({"email": "someone@lingualink.test", "password": "short"}, 422, "weak_password"),
        ({"phone": "+4912345", "password": PASSWORD}, 422, "phone_provider_disabled"),
        ("text", 400, "bad_json"),
    ],
)
async def test_a_malformed_sign_up_is_refused(
    http: httpx.AsyncClient, body: Any, status: int, code: str
) -> None:
    answer = await http.post("/auth/v1/signup", json=body, headers=VERSIONED)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert ("weak_password" in answer.json()) == (code == "weak_password")


async def test_signing_up_a_known_address_is_refused(http: httpx.AsyncClient, person: Person) -> None:
    body = {"email": person.email.upper(), "password": PASSWORD}
    answer = await http.post("/auth/v1/signup", json=body, headers=VERSIONED)
    assert (answer.status_code, answer.json()["code"]) == (422, "user_already_exists")


async def test_an_anonymous_account_becomes_permanent_with_an_address(http: httpx.AsyncClient) -> None:
    session = (await http.post("/auth/v1/signup", json={"email": None, "data": {"tour": 1}})).json()
    claims = jwt.decode(session["access_token"], options={"verify_signature": False})
    assert (claims["is_anonymous"], claims["role"], claims["email"]) == (True, "authenticated", "")
    assert claims["amr"][0]["method"] == "anonymous"
    change = {"email": f"{uuid.uuid4()}@lingualink.test", "password": PASSWORD}
    user = (await http.put("/auth/v1/user", json=change, headers=bearer(session["access_token"]))).json()
    assert (user["is_anonymous"], user["user_metadata"]) == (False, {"tour": 1})
    assert (await sign_in(http, change["email"])).status_code == 200


@pytest.mark.parametrize(
    ("token", "status", "code"), [(None, 401, "no_authorization"), ("nonsense", 403, "bad_jwt")]
)
async def test_a_request_without_a_good_token_is_refused(
    stack: SupabaseStack, token: str | None, status: int, code: str
) -> None:
    headers = VERSIONED | (bearer(token) if token else {})
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=30) as client:
        answer = await client.get("/auth/v1/user")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_refresh_token_rotates(http: httpx.AsyncClient, person: Person) -> None:
    answer = await refresh(http, person.session["refresh_token"])
    old, new = (
        jwt.decode(t, options={"verify_signature": False})
        for t in (person.token, answer.json()["access_token"])
    )
    assert answer.json()["refresh_token"] != person.session["refresh_token"]
    assert old["session_id"] == new["session_id"]
    assert old["amr"] == new["amr"]


async def test_the_parent_of_the_active_token_gives_the_active_token(
    http: httpx.AsyncClient, person: Person
) -> None:
    first = person.session["refresh_token"]
    active = (await refresh(http, first)).json()["refresh_token"]
    assert (await refresh(http, first)).json()["refresh_token"] == active


async def test_many_refreshes_at_once_agree_on_one_token(http: httpx.AsyncClient, person: Person) -> None:
    answers = await asyncio.gather(*(refresh(http, person.session["refresh_token"]) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


async def test_an_older_token_is_good_within_the_reuse_interval(
    http: httpx.AsyncClient, person: Person
) -> None:
    first = person.session["refresh_token"]
    second = (await refresh(http, first)).json()["refresh_token"]
    third = (await refresh(http, second)).json()["refresh_token"]
    fourth = (await refresh(http, first)).json()["refresh_token"]
    assert len({first, second, third, fourth}) == 4
    for good in (third, fourth):
        assert (await refresh(http, good)).status_code == 200


async def test_reuse_after_the_interval_revokes_every_token_of_the_session(
    http: httpx.AsyncClient, person: Person, database: Connection
) -> None:
    first = person.session["refresh_token"]
    second = (await refresh(http, first)).json()["refresh_token"]
    third = (await refresh(http, second)).json()["refresh_token"]
    await database.execute(
        "update auth.refresh_tokens set updated_at = now() - interval '11 seconds' where token = any($1)",
        [first, third],
    )
    reused, victim = await refresh(http, first), await refresh(http, third)
    assert (reused.status_code, reused.json()["error_code"]) == (400, "refresh_token_already_used")
    assert (victim.status_code, victim.json()["error_code"]) == (400, "refresh_token_already_used")


async def test_an_unknown_refresh_token_is_refused(http: httpx.AsyncClient) -> None:
    answer = await refresh(http, "unknown")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "refresh_token_not_found")


async def test_a_time_boxed_session_ends_at_refresh(
    http: httpx.AsyncClient, person: Person, database: Connection
) -> None:
    await database.execute(
        "update auth.sessions set not_after = now() where user_id = $1", uuid.UUID(person.id)
    )
    answer = await refresh(http, person.session["refresh_token"])
    assert (answer.status_code, answer.json()["error_code"]) == (400, "session_expired")


@pytest.mark.parametrize(("scope", "left"), [("local", 1), ("others", 1), ("global", 0)])
async def test_signing_out_deletes_the_session_rows(
    http: httpx.AsyncClient, person: Person, database: Connection, scope: str, left: int
) -> None:
    other = (await sign_in(http, person.email)).json()
    answer = await http.post(f"/auth/v1/logout?scope={scope}", headers=bearer(person.token))
    assert (answer.status_code, answer.content) == (204, b"")
    assert await session_rows(database, person.id) == left
    mine = await http.get("/auth/v1/user", headers=bearer(person.token))
    assert mine.status_code == (200 if scope == "others" else 403)
    assert (scope == "others") != ("error_code" in mine.json())
    theirs = await http.get("/auth/v1/user", headers=bearer(other["access_token"]))
    assert theirs.status_code == (200 if scope == "local" else 403)


async def test_an_unknown_sign_out_scope_is_refused(http: httpx.AsyncClient, person: Person) -> None:
    answer = await http.post("/auth/v1/logout?scope=none", headers=bearer(person.token))
    assert (answer.status_code, answer.json()["error_code"]) == (400, "validation_failed")
    assert answer.json()["msg"] == 'Unsupported logout scope "none"'


@pytest.mark.parametrize(
    ("changes", "status", "code", "message"),
    [
        ({"sub": ""}, 403, "bad_jwt", "invalid claim: missing sub claim"),
        ({"sub": "x"}, 400, "bad_jwt", "invalid claim: sub claim must be a UUID"),
        ({"session_id": "x"}, 403, "bad_jwt", "invalid claim: session_id claim must be a UUID"),
    ],
    ids=["no subject", "a subject that is no id", "a session that is no id"],
)
async def test_claims_that_name_nobody_are_refused(
    http: httpx.AsyncClient,
    person: Person,
    signing_key: SigningKey,
    changes: dict[str, str],
    status: int,
    code: str,
    message: str,
) -> None:
    claims = jwt.decode(person.token, options={"verify_signature": False})
    answer = await http.get("/auth/v1/user", headers=bearer(signing_key.sign({**claims, **changes})))
    assert (answer.status_code, answer.json()["error_code"], answer.json()["msg"]) == (status, code, message)


async def test_a_token_without_a_session_is_good_and_signs_out_everywhere(
    http: httpx.AsyncClient, person: Person, signing_key: SigningKey, database: Connection
) -> None:
    claims = jwt.decode(person.token, options={"verify_signature": False})
    token = signing_key.sign({name: value for name, value in claims.items() if name != "session_id"})
    assert (await http.get("/auth/v1/user", headers=bearer(token))).status_code == 200
    await http.post("/auth/v1/logout?scope=local", headers=bearer(token))
    assert await session_rows(database, person.id) == 0


async def test_signing_in_names_somebody(http: httpx.AsyncClient) -> None:
    answer = await http.post("/auth/v1/token?grant_type=password", json={"password": PASSWORD})
    assert (answer.status_code, answer.json()["msg"]) == (400, "missing email or phone")


async def test_a_new_password_ends_the_other_sessions(
    http: httpx.AsyncClient, person: Person, database: Connection
) -> None:
    await sign_in(http, person.email)
    same = await http.put("/auth/v1/user", json={"password": PASSWORD}, headers=bearer(person.token))
    new = await http.put("/auth/v1/user", json={"password": "battery staple"}, headers=bearer(person.token))
    assert (same.status_code, same.json()["error_code"]) == (422, "same_password")
    assert new.status_code == 200
    assert await session_rows(database, person.id) == 1
    assert (await sign_in(http, person.email, "battery staple")).status_code == 200


async def test_user_metadata_merges_and_an_address_is_taken_once(
    http: httpx.AsyncClient, person: Person
) -> None:
    stranger = await sign_up(http)
    headers = bearer(person.token)
    await http.put("/auth/v1/user", json={"data": {"a": 1, "b": 2}}, headers=headers)
    answer = await http.put("/auth/v1/user", json={"data": {"b": None, "c": 3}}, headers=headers)
    assert {name: answer.json()["user_metadata"].get(name) for name in "abc"} == {"a": 1, "b": None, "c": 3}
    taken = await http.put("/auth/v1/user", json={"email": stranger.email}, headers=bearer(person.token))
    assert (taken.status_code, taken.json()["error_code"]) == (422, "email_exists")


async def test_browsers_may_call_from_any_origin(http: httpx.AsyncClient) -> None:
    headers = {
        "Origin": "http://127.0.0.1:8000",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "apikey,authorization,content-type,x-client-info,"
        "x-supabase-api-version,prefer,accept-profile,content-profile",
    }
    preflight = await http.options("/auth/v1/signup", headers=headers)
    answer = await http.get("/auth/v1/health", headers={"Origin": "http://127.0.0.1:8000"})
    assert preflight.status_code == 204
    assert "x-supabase-api-version" in preflight.headers["access-control-allow-headers"]
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "x-supabase-api-version" in answer.headers["access-control-expose-headers"]


async def test_a_body_over_one_megabyte_is_refused(http: httpx.AsyncClient) -> None:
    assert (await http.post("/auth/v1/signup", content=b" " * 1_000_001)).status_code == 413


def test_passwords_are_salted_and_an_account_without_one_matches_none() -> None:
    assert hash_password(PASSWORD) != hash_password(PASSWORD)
    assert password_matches(PASSWORD, hash_password(PASSWORD))
    assert not password_matches("", None)


async def test_without_autoconfirm_a_sign_up_tells_nothing_about_known_addresses(
    cluster: LocalPostgres,
) -> None:
    body = {"email": f"{uuid.uuid4()}@lingualink.test", "password": PASSWORD}
    with supabase_on(cluster, email_autoconfirm=False) as stack:
        headers = {"apikey": stack.publishable_key}
        async with httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=30) as http:
            first, again = [await http.post("/auth/v1/signup", json=body) for _ in range(2)]
            refused = await sign_in(http, body["email"])
    assert (first.status_code, again.status_code) == (200, 200)
    assert "access_token" not in first.json()
    assert again.json()["identities"] == []
    assert (refused.status_code, refused.json()["error_code"]) == (400, "email_not_confirmed")
