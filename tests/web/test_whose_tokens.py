"""Tokens of a project that moves to signing keys, and tokens of OAuth clients, over HTTP."""

import time
from collections.abc import Iterator
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import SecretStr

from devstack.postgres import LocalPostgres
from support.backend import System, backend, readiness
from support.database import cloned
from support.hostile_tokens import Maker
from support.key_server import published
from support.minting import MISSING, Json, KeyMaterial, eddsa, hs, rs256
from support.stack import SupabaseStack

ISSUER = "https://abcdefghijklmnopqrst.supabase.co/auth/v1"
SECRET = "a secret that only this test knows, and nobody else"
TRUSTED, FOREIGN = "0a6fb6f6-0000-4000-8000-000000000001", "0a6fb6f6-0000-4000-8000-000000000002"
MATERIAL = KeyMaterial.fresh()


@pytest.fixture(scope="module")
def served(projects: LocalPostgres) -> Iterator[System]:
    """A backend that was given the legacy secret, and trusts one OAuth client."""
    with (
        published(MATERIAL.jwks()) as url,
        cloned(projects) as database,
        backend(
            database,
            SupabaseStack(url, database.superuser_url),
            supabase_jwks_url=f"{url}/keys",
            supabase_jwt_issuer=[ISSUER],
            supabase_jwt_secret=SecretStr(SECRET),
            lingualink_oauth_clients=[TRUSTED],
        ) as up,
    ):
        readiness(up.api_url)
        yield up


@pytest.fixture(scope="module")
def http(served: System) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.api_url, timeout=30) as client:
        yield client


@pytest.fixture
def make(served: System) -> Maker:
    """Tokens of an admin with an open session."""
    user_id, session_id = uuid4(), uuid4()
    run = served.database.run
    run("insert into auth.users (id, email) values ($1, $2)", user_id, f"{user_id}@lingualink.test")
    run("insert into auth.sessions (id, user_id) values ($1, $2)", session_id, user_id)
    run(
        "insert into public.profiles (id, role) values ($1, 'admin') on conflict (id) do update set role = 'admin'",
        user_id,
    )
    return Maker(ISSUER, MATERIAL, user_id, session_id, int(time.time()))


def bearer(token: str, **further: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **further}


def test_during_a_move_both_kinds_of_token_are_the_same_person(http: httpx.Client, make: Maker) -> None:
    tokens = {
        "old": make.headed(hs(SECRET.encode()), alg="HS256", kid=MISSING),
        "old, by a name": make.headed(hs(SECRET.encode()), alg="HS256", kid="legacy"),
        "ES256": make.claiming(),
        "RS256": make.headed(rs256(MATERIAL.rsa_private), alg="RS256", kid=MATERIAL.rsa_id),
        "EdDSA": make.headed(eddsa(MATERIAL.ed_private), alg="EdDSA", kid=MATERIAL.ed_id),
    }
    answers = {name: http.get("/profile", headers=bearer(token)) for name, token in tokens.items()}

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(tokens, 200)
    assert {answer.json()["id"] for answer in answers.values()} == {str(make.subject)}


def test_the_secret_signs_for_no_published_key(http: httpx.Client, make: Maker) -> None:
    forged = make.headed(hs(SECRET.encode()), alg="HS256", kid=MATERIAL.ec_id)

    answer = http.get("/profile", headers=bearer(forged))

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


READS = ["/profile", "/wallet", "/wallet/transactions", "/wallet/withdrawals"]


@pytest.mark.parametrize("client_id", [TRUSTED, FOREIGN, MISSING], ids=["trusted", "foreign", "the app"])
def test_whoever_acts_for_a_user_may_read_what_is_the_users(
    http: httpx.Client, make: Maker, client_id: Json
) -> None:
    headers = bearer(make.claiming(client_id=client_id))

    assert [http.get(path, headers=headers).status_code for path in READS] == [200] * len(READS)


def acts(http: httpx.Client, token: str, key: str) -> list[httpx.Response]:
    """A payment to oneself's friend, and a look into the vault."""
    recipient = UUID(int=7)
    return [
        http.post(
            "/wallet/transfers",
            json={"recipient_id": str(recipient), "amount": "1.00"},
            headers=bearer(token, **{"Idempotency-Key": key}),
        ),
        http.post(
            "/wallet/withdrawals",
            json={"amount": "1.00"},
            headers=bearer(token, **{"Idempotency-Key": f"{key}w"}),
        ),
        http.get("/vault/posts", headers=bearer(token)),
        http.get("/vault/audit-log", headers=bearer(token)),
        http.put("/vault/reward-rates/post_approved", json={"amount": "0.50"}, headers=bearer(token)),
    ]


@pytest.mark.parametrize("client_id", [TRUSTED, MISSING], ids=["trusted", "the app"])
def test_who_is_trusted_moves_money_and_acts_in_the_vault(
    http: httpx.Client, make: Maker, client_id: Json
) -> None:
    answers = acts(http, make.claiming(client_id=client_id), "a")

    assert [answer.status_code for answer in answers] == [
        404,
        409,
        200,
        200,
        200,
    ]  # nobody there, nothing there


def test_a_foreign_client_neither_moves_money_nor_acts_in_the_vault(http: httpx.Client, make: Maker) -> None:
    answers = acts(http, make.claiming(client_id=FOREIGN), "a")

    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {
        (403, "client_not_allowed")
    }


def test_a_foreign_client_is_not_told_what_a_key_stands_for(http: httpx.Client, make: Maker) -> None:
    body = {"recipient_id": str(UUID(int=7)), "amount": "1.00"}

    def pay(**claims: Json) -> httpx.Response:
        headers = bearer(make.claiming(**claims), **{"Idempotency-Key": "once"})
        return http.post("/wallet/transfers", json=body, headers=headers)

    answers = [pay(client_id=FOREIGN), pay(), pay(client_id=FOREIGN)]

    assert [answer.json()["code"] for answer in answers] == [
        "client_not_allowed",
        "user_not_found",
        "client_not_allowed",
    ]
