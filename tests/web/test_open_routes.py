"""What answers without a token, and that nothing else does."""

import httpx
import pytest

from support.backend import System
from web.routes import ROUTES

OPEN = ["/health/live", "/health/ready", "/schema", "/schema/openapi.json"]


@pytest.fixture(scope="module")
def document(system: System) -> dict[str, dict[str, object]]:
    paths: dict[str, dict[str, object]] = httpx.get(
        f"{system.api_url}/schema/openapi.json", timeout=30
    ).json()["paths"]
    return paths


@pytest.mark.parametrize("path", OPEN)
def test_it_answers_everybody(system: System, path: str) -> None:
    assert httpx.get(system.api_url + path, timeout=30).status_code == 200


def test_every_other_route_asks_for_a_token(system: System, document: dict[str, dict[str, object]]) -> None:
    answers = {
        (method, path): httpx.request(method.upper(), system.api_url + path).json().get("code")
        for path, methods in document.items()
        for method in methods
        if path not in OPEN
    }

    assert len(answers) >= 2 * len(ROUTES)
    assert set(answers.values()) == {"missing_token"}
