"""What a secret key may do to everybody's accounts."""

import uuid
from collections.abc import AsyncIterator

import httpx
import pytest

from devstack.database import Connection
from support.people import PASSWORD, Person
from support.stack import SupabaseStack

pytestmark = pytest.mark.anyio

USERS = "/auth/v1/admin/users"
UNKNOWN = uuid.UUID("a1b2c3d4-0000-4000-8000-000000000000")  # alike in every worker


@pytest.fixture
async def admin(stack: SupabaseStack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=stack.url, headers={"apikey": stack.secret_key}, timeout=30
    ) as client:
        yield client


async def sign_in(http: httpx.AsyncClient, email: str) -> httpx.Response:
    body = {"email": email, "password": PASSWORD}
    return await http.post("/auth/v1/token?grant_type=password", json=body)


async def test_only_a_secret_key_opens_the_admin_routes(http: httpx.AsyncClient, person: Person) -> None:
    anonymous = await http.get(USERS)
    user = await http.get(USERS, headers={"Authorization": f"Bearer {person.token}"})
    assert (anonymous.status_code, user.status_code) == (403, 403)
    assert user.json()["error_code"] == "not_admin"


async def test_an_account_is_made_with_a_given_id_found_and_listed(
    admin: httpx.AsyncClient, http: httpx.AsyncClient
) -> None:
    user_id, email = str(uuid.uuid4()), f"{uuid.uuid4()}@lingualink.test"
    body = {
        "id": user_id,
        "email": email,
        "password": PASSWORD,
        "email_confirm": True,
        "app_metadata": {"a": 1},
    }
    made = await admin.post(USERS, json=body)
    assert (made.status_code, made.json()["id"]) == (200, user_id)
    assert made.json()["app_metadata"] == {"provider": "email", "providers": ["email"], "a": 1}
    assert made.json()["identities"][0]["identity_data"]["email"] == email
    assert (await admin.get(f"{USERS}/{user_id}")).json()["email"] == email
    page = await admin.get(USERS, params={"page": 1, "per_page": 1})
    assert [user["id"] for user in page.json()["users"]] == [user_id]
    assert int(page.headers["x-total-count"]) >= 1
    assert (await sign_in(http, email)).status_code == 200
    again = await admin.post(USERS, json={**body, "id": None})
    assert (again.status_code, again.json()["error_code"]) == (422, "email_exists")


async def test_an_unconfirmed_account_cannot_sign_in_until_it_is_confirmed(
    admin: httpx.AsyncClient, http: httpx.AsyncClient
) -> None:
    email = f"{uuid.uuid4()}@lingualink.test"
    user_id = (await admin.post(USERS, json={"email": email, "password": PASSWORD})).json()["id"]
    refused = await sign_in(http, email)
    assert (refused.status_code, refused.json()["error_code"]) == (400, "email_not_confirmed")
    await admin.put(f"{USERS}/{user_id}", json={"email_confirm": True})
    assert (await sign_in(http, email)).status_code == 200


async def test_a_ban_refuses_everything_but_leaves_the_session_row(
    admin: httpx.AsyncClient,
    http: httpx.AsyncClient,
    person: Person,
    database: Connection,
) -> None:
    banned = await admin.put(f"{USERS}/{person.id}", json={"ban_duration": "1h30m"})
    assert banned.json()["banned_until"]
    refreshing = {"refresh_token": person.session["refresh_token"]}
    answers = [
        await sign_in(http, person.email),
        await http.post("/auth/v1/token?grant_type=refresh_token", json=refreshing),
        await http.get("/auth/v1/user", headers={"Authorization": f"Bearer {person.token}"}),
    ]
    assert [answer.status_code for answer in answers] == [400, 400, 403]
    assert {answer.json()["error_code"] for answer in answers} == {"user_banned"}
    rows = await database.fetchval(
        "select count(*) from auth.sessions s join auth.users u on u.id = s.user_id"
        " where u.id = $1 and u.banned_until > now() + interval '1 hour'",
        uuid.UUID(person.id),
    )
    assert rows == 1
    lifted = await admin.put(f"{USERS}/{person.id}", json={"ban_duration": "none"})
    assert "banned_until" not in lifted.json()
    assert (await sign_in(http, person.email)).status_code == 200


@pytest.mark.parametrize("softly", [False, True])
async def test_a_deleted_account_has_no_session_left(
    admin: httpx.AsyncClient,
    http: httpx.AsyncClient,
    person: Person,
    database: Connection,
    *,
    softly: bool,
) -> None:
    answer = await admin.request("DELETE", f"{USERS}/{person.id}", json={"should_soft_delete": softly})
    assert (answer.status_code, answer.json()) == (200, {})
    assert (await sign_in(http, person.email)).json()["error_code"] == "invalid_credentials"
    user = await http.get("/auth/v1/user", headers={"Authorization": f"Bearer {person.token}"})
    assert user.json()["error_code"] == ("session_not_found" if softly else "user_not_found")
    row = await database.fetchrow("select * from auth.users where id = $1", uuid.UUID(person.id))
    assert (row is not None) == softly
    if row is not None:
        assert row["deleted_at"] is not None
        assert person.email not in str(dict(row))


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "", {"password": PASSWORD}, 400, "validation_failed"),
        ("POST", "", {"email": "a@b.test", "id": "no uuid"}, 400, "validation_failed"),
        ("POST", "", {"email": "a@b.test", "id": str(uuid.UUID(int=0))}, 400, "validation_failed"),
        ("POST", "", {"email": "a@b.test", "ban_duration": "forever"}, 400, "validation_failed"),
        ("GET", "?page=first", None, 400, "validation_failed"),
        ("GET", "/no-uuid", None, 404, "validation_failed"),
        ("GET", f"/{UNKNOWN}", None, 404, "user_not_found"),
        ("PUT", f"/{UNKNOWN}", {"ban_duration": "1h"}, 404, "user_not_found"),
    ],
)
async def test_what_cannot_be_done_is_refused(
    admin: httpx.AsyncClient, method: str, path: str, body: dict[str, str] | None, status: int, code: str
) -> None:
    answer = await admin.request(method, USERS + path, json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)
