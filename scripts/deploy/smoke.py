"""A first look at what was deployed. Nothing here provokes a 4xx: ECS Express Mode counts those against a release."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

PENNY = "0.01"


class UnwellError(RuntimeError):
    """The deployed service does not do what it should."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """An account that exists for this: where it signs in, and what it may do there."""

    supabase_url: str
    publishable_key: str
    email: str
    password: str

    def sign_in(self) -> tuple[str, str]:
        """The visitor's id, and an access token."""
        answer = httpx.post(
            f"{self.supabase_url}/auth/v1/token",
            params={"grant_type": "password"},
            headers={"apikey": self.publishable_key},
            json={"email": self.email, "password": self.password},
            timeout=15,
        )
        _expect(answer, 200)
        session = answer.json()
        return session["user"]["id"], session["access_token"]


def visitors_from(environment: Mapping[str, str]) -> tuple[Visitor, Visitor] | None:
    """The two smoke accounts that the environment names; None when it names none."""
    names = ("SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY", "SMOKE_PASSWORD", "SMOKE_EMAIL", "SMOKE_EMAIL_2")
    url, key, password, first, second = (environment.get(name, "") for name in names)
    if not all((url, key, password, first, second)):
        return None
    return Visitor(url, key, first, password), Visitor(url, key, second, password)


def smoke(url: str, visitors: tuple[Visitor, Visitor] | None) -> list[str]:
    """Look at the service at *url*; what was seen, line by line.

    With *visitors* a penny goes from one to the other and back: sent twice under one key, it moves once.

    Raises:
        UnwellError: something was not as it should be.
    """
    with httpx.Client(base_url=url, timeout=15) as http:
        _expect(_get(http, "/health/live"), 200)
        _expect(_get(http, "/health/ready"), 200)
        if visitors is None:
            return ["alive and ready", "no smoke accounts: money was not tried"]
        (one, one_token), (two, two_token) = (visitor.sign_in() for visitor in visitors)
        for token in (one_token, two_token):
            _expect(_get(http, "/profile", token), 200)
            _expect(_get(http, "/wallet/transactions?limit=1", token), 200)
        before = _balance(http, one_token)
        _pay_once(http, one_token, two)
        _pay_once(http, two_token, one)
        if (after := _balance(http, one_token)) != before:
            raise UnwellError(f"the penny did not come back: {before} became {after}")
        return ["alive and ready", "profile, wallet and ledger read", "a penny went and came back, once"]


def _pay_once(http: httpx.Client, token: str, recipient: str) -> None:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"smoke-{uuid4()}"}
    body = {"recipient_id": recipient, "amount": PENNY, "note": "smoke test"}
    answers = [_post(http, "/wallet/transfers", body, headers) for _ in range(2)]
    first, second = (_expect(answer, 201) for answer in answers)
    if first != second or answers[1].headers.get("Idempotency-Replayed") != "true":
        raise UnwellError("a payment that was sent twice under one key was not replayed")


def _balance(http: httpx.Client, token: str) -> str:
    return str(_expect(_get(http, "/wallet", token), 200)["balance"])


def _get(http: httpx.Client, path: str, token: str | None = None) -> httpx.Response:
    try:
        return http.get(path, headers={} if token is None else {"Authorization": f"Bearer {token}"})
    except httpx.HTTPError as error:
        raise UnwellError(f"GET {path}: {error!r}") from error


def _post(http: httpx.Client, path: str, body: Any, headers: dict[str, str]) -> httpx.Response:
    try:
        return http.post(path, json=body, headers=headers)
    except httpx.HTTPError as error:
        raise UnwellError(f"POST {path}: {error!r}") from error


def _expect(answer: httpx.Response, status: int) -> dict[str, Any]:
    if answer.status_code != status:
        where = f"{answer.request.method} {answer.request.url.path}"
        raise UnwellError(f"{where} answered {answer.status_code}, not {status}")
    body: dict[str, Any] = answer.json()
    return body
