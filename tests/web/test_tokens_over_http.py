"""Every hostile and friendly token, over HTTP: what is wrong, the status, the code, and nothing more."""

import time
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest

from devstack.postgres import LocalPostgres
from support.backend import System, backend, readiness
from support.database import cloned
from support.hostile_tokens import Row, rows
from support.key_server import published
from support.minting import KeyMaterial
from support.stack import SupabaseStack

ISSUER = "https://abcdefghijklmnopqrst.supabase.co/auth/v1"
OTHER_ISSUER = "https://auth.example.org/auth/v1"
MATERIAL = KeyMaterial.fresh()
SUBJECT = uuid4()


FRESH_S = 5


def table() -> list[Row]:
    """The rows, minted now: some are about seconds."""
    now = int(time.time())
    made = rows(ISSUER, MATERIAL, subject=SUBJECT, session=uuid4(), now=now, other_issuer=OTHER_ISSUER)
    return [row for row in made if not row.unit_only]


def fresh() -> Iterator[Row]:
    """Each row, minted not long before it is sent."""
    made, at = table(), time.monotonic()
    for number in range(len(made)):
        if time.monotonic() - at > FRESH_S:
            made, at = table(), time.monotonic()
        yield made[number]


@pytest.fixture(scope="module")
def served(projects: LocalPostgres) -> Iterator[System]:
    """A backend that trusts the table's keys and issuers."""
    with published(MATERIAL.jwks()) as url, cloned(projects) as database:
        database.run("insert into auth.users (id) values ($1)", SUBJECT)
        stack = SupabaseStack(url, database.superuser_url)
        with backend(
            database, stack, supabase_jwks_url=f"{url}/keys", supabase_jwt_issuer=[ISSUER, OTHER_ISSUER]
        ) as up:
            readiness(up.api_url)
            yield up


@pytest.fixture(scope="module")
def http(served: System) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.api_url, timeout=30) as client:
        yield client


def test_every_token_gets_its_answer_and_no_reason(http: httpx.Client) -> None:
    answered = {row.name: fault_of(row, http) for row in fresh()}

    assert len(answered) >= 150
    assert {name: fault for name, fault in answered.items() if fault} == {}


def fault_of(row: Row, http: httpx.Client) -> str | None:
    """What is not as the row says."""
    headers = [(b"Authorization", value.encode("utf-8", "surrogatepass")) for value in row.authorization]
    answer = http.get("/profile", headers=headers)
    if row.code is None:
        return None if answer.status_code == row.status else f"{answer.status_code} {answer.text}"
    as_told = (
        answer.status_code == row.status
        and answer.json()["code"] == row.code
        and answer.headers["content-type"] == "application/problem+json"
        and answer.headers["www-authenticate"].startswith("Bearer")
    )
    reason_told = row.code == "invalid_token" and row.reason is not None and row.reason.value in answer.text
    return None if as_told and not reason_told else f"{answer.status_code} {answer.text}"


@pytest.mark.parametrize("place", ["query", "cookie", "header"])
def test_a_token_anywhere_else_is_no_token(http: httpx.Client, place: str) -> None:
    token = table()[0].token
    answer = {
        "query": lambda: http.get("/profile", params={"access_token": token}),
        "cookie": lambda: http.get("/profile", headers={"Cookie": f"sb-access-token={token}"}),
        "header": lambda: http.get("/profile", headers={"X-User-Id": str(uuid4()), "X-Supabase-Auth": token}),
    }[place]()

    assert (answer.status_code, answer.json()["code"]) == (401, "missing_token")
