"""A release on a platform of ours: well, not well, and back again."""

from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID

import httpx
import pytest

from deploy.platforms import DeployFailedError
from deploy.release import Release, watch
from deploy.smoke import UnwellError, Visitor, smoke, visitors_from
from infrastructure.postgres.accounts import OPEN_WITH_BALANCE
from support.backend import System, backend, readiness
from support.database import Database
from support.people import PASSWORD, Person
from support.ports import free_port
from support.stack import SupabaseStack, supabase_on

OLD = "example.test/lingualink@sha256:" + "a" * 64
NEW = "example.test/lingualink@sha256:" + "b" * 64


class Shelf:
    """A platform that only remembers what was put on it, and fails for the images it is told to fail for."""

    def __init__(self, *fails: str) -> None:
        self.served = [OLD]
        self._fails = fails

    def current(self) -> str:
        return self.served[-1]

    def deploy(self, image: str) -> None:
        if image in self._fails:
            raise DeployFailedError("no capacity")
        self.served.append(image)


@pytest.fixture
def supabase(database: Database) -> Iterator[SupabaseStack]:
    with supabase_on(database.cluster, database.name) as running:
        yield running


@pytest.fixture
def running(database: Database, supabase: SupabaseStack) -> Iterator[System]:
    with backend(database, supabase) as system:
        readiness(system.api_url)
        yield system


@pytest.fixture
def visitors(running: System) -> tuple[Visitor, Visitor]:
    """Two smoke accounts, with a coin each."""
    supabase = running.supabase
    made = []
    for name in ("one", "two"):
        email = f"smoke-{name}@lingualink.test"
        answer = httpx.post(
            f"{supabase.url}/auth/v1/signup",
            headers={"apikey": supabase.publishable_key},
            json={"email": email, "password": PASSWORD},
            timeout=30,
        ).json()
        person = Person(answer["user"]["id"], email, answer)
        httpx.get(
            f"{running.api_url}/profile", headers={"Authorization": f"Bearer {person.token}"}, timeout=30
        )
        running.database.run(OPEN_WITH_BALANCE, UUID(person.id), Decimal("1.00"))
        made.append(Visitor(supabase.url, supabase.publishable_key, email, PASSWORD))
    one, two = made
    return one, two


def test_the_smoke_test_moves_a_penny_once_and_back(
    running: System, visitors: tuple[Visitor, Visitor]
) -> None:
    said = smoke(running.api_url, visitors)

    balances = running.database.run("select balance from public.wallets")
    kinds = running.database.run("select kind from public.wallet_transactions where kind <> 'opening'")
    assert said[-1] == "a penny went and came back, once"
    assert [row["balance"] for row in balances] == [Decimal("1.00"), Decimal("1.00")]
    assert len(kinds) == 4


def test_without_smoke_accounts_the_smoke_test_says_what_it_left_out(running: System) -> None:
    assert smoke(running.api_url, visitors_from({})) == [
        "alive and ready",
        "no smoke accounts: money was not tried",
    ]


def test_a_good_release_serves(running: System, visitors: tuple[Visitor, Visitor]) -> None:
    shelf, said = Shelf(), list[str]()

    released = Release(shelf, running.api_url, visitors, said.append, pause=lambda _: None)(NEW, 10)

    assert released
    assert shelf.served == [OLD, NEW]
    assert said[-1] == "ready 2 times out of 2"


def test_a_release_that_the_platform_refuses_leaves_the_old_one_in_service(running: System) -> None:
    shelf = Shelf(NEW)

    assert not Release(shelf, running.api_url, None, lambda _: None)(NEW, 0)

    assert shelf.current() == OLD


def test_a_release_that_is_not_ready_is_taken_back(running: System) -> None:
    class Breaks(Shelf):
        """Its new image needs a schema that is not there."""

        def deploy(self, image: str) -> None:
            super().deploy(image)
            level = 1 if image == NEW else 10_000
            running.database.run("update private.schema_level set level = $1", level)

    shelf, said = Breaks(), list[str]()

    released = Release(shelf, running.api_url, None, said.append)(NEW, 0)

    assert not released
    assert shelf.served == [OLD, NEW, OLD]
    assert "not well: GET /health/ready answered 503, not 200" in said


@pytest.mark.parametrize("at", ["the platform", "the visit"])
def test_a_release_that_nobody_can_look_at_is_taken_back(running: System, at: str) -> None:
    class Mumbles(Shelf):
        """Answers what is no JSON, once the new image is there."""

        def deploy(self, image: str) -> None:
            super().deploy(image)
            if image == NEW and at == "the platform":
                raise ValueError("Expecting value: line 1 column 1 (char 0)")

    nobody = Visitor(f"http://127.0.0.1:{free_port()}", "key", "smoke@lingualink.test", PASSWORD)
    shelf, said = Mumbles(), list[str]()

    released = Release(shelf, running.api_url, (nobody, nobody), said.append)(NEW, 0)

    assert not released
    assert shelf.served == [OLD, NEW, OLD]
    assert any(line.startswith(("not well: ValueError(", "not well: ConnectError(")) for line in said)


def test_a_rollback_looks_and_watches_as_a_release_does(
    running: System, visitors: tuple[Visitor, Visitor]
) -> None:
    shelf, said = Shelf(), list[str]()

    Release(shelf, running.api_url, visitors, said.append, pause=lambda _: None).bring(NEW, 10)

    assert shelf.served == [OLD, NEW]
    assert said[1:] == [
        "alive and ready",
        "profile, wallet and ledger read",
        "a penny went and came back, once",
        "ready 2 times out of 2",
    ]


def test_a_rollback_that_is_not_well_stays_and_says_so(running: System) -> None:
    shelf = Shelf()
    running.database.run("update private.schema_level set level = 1")

    with pytest.raises(UnwellError, match="answered 503"):
        Release(shelf, running.api_url, None, lambda _: None).bring(NEW, 0)

    assert shelf.served == [OLD, NEW]


def test_a_first_release_that_is_not_well_has_nothing_to_go_back_to(running: System) -> None:
    class Empty(Shelf):
        def current(self) -> str | None:  # type: ignore[override]
            return None

    with pytest.raises(DeployFailedError, match="nothing served before"):
        Release(Empty(NEW), running.api_url, None, lambda _: None)(NEW, 0)


def test_watching_fails_when_the_service_goes_away() -> None:
    with pytest.raises(UnwellError, match="3 times in a row"):
        watch(f"http://127.0.0.1:{free_port()}", 60, pause=lambda _: None)


def test_only_a_digest_is_released(running: System) -> None:
    shelf = Shelf()

    release = Release(shelf, running.api_url, None, lambda _: None)
    for bring in (release, release.bring):
        with pytest.raises(DeployFailedError, match="named by its digest"):
            bring("example.test/lingualink:latest", 0)

    assert shelf.served == [OLD]
