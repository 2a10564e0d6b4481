"""``lingualink outbox``: what could not be delivered, and sending it again."""

import asyncio
import json
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from bootstrap.cli import main
from support.database import Database
from support.events import for_each, owe
from support.relays import environment

EVENTS = for_each([uuid4()], range(1, 4))
PARK = """
update private.realtime_outbox set parked_at = now(), last_error = '422: too large', attempts = 1
where event_id = any ($1) returning id
"""


@pytest.fixture
def parked(database: Database) -> list[int]:
    """Three events of which two are parked; the ids of those."""
    asyncio.run(owe(database, EVENTS))
    return sorted(row["id"] for row in database.run(PARK, [event.event_id for event in EVENTS[:2]]))


def outbox(database: Database, *arguments: str) -> Result:
    """Run the command with the service's environment, of which only the database has to answer."""
    variables = environment(database.service_url, "http://127.0.0.1:9")
    return CliRunner().invoke(main, ["outbox", *arguments], env=variables)


def test_list_shows_what_is_parked_and_why(database: Database, parked: list[int]) -> None:
    lines = outbox(database, "list").stdout.splitlines()
    assert [int(line.split()[0]) for line in lines[:-1]] == parked
    assert all("422: too large" in line for line in lines[:-1])
    assert lines[-1].startswith("2 parked; 1 due")


def test_list_speaks_json(database: Database, parked: list[int]) -> None:
    told = json.loads(outbox(database, "list", "--json").stdout)
    assert [event["id"] for event in told["parked"]] == parked
    assert told["parked"][0]["event_id"] == str(EVENTS[0].event_id)
    assert (told["backlog"]["due"], told["backlog"]["parked"]) == (1, 2)


def test_retry_owes_the_named_events_again(database: Database, parked: list[int]) -> None:
    done = outbox(database, "retry", str(parked[1]))
    assert (done.exit_code, done.stdout) == (0, "Owed again: 1.\n")
    rows = database.run("select id from private.realtime_outbox where parked_at is not null")
    assert [row["id"] for row in rows] == parked[:1]


def test_retry_names_what_was_not_parked(database: Database, parked: list[int]) -> None:
    done = outbox(database, "retry", str(parked[0]), "999999")
    assert done.exit_code == 1
    assert "Not set aside: 999999" in done.stderr


def test_retry_all(database: Database, parked: list[int]) -> None:
    assert outbox(database, "retry", "--all").stdout == f"Owed again: {len(parked)}.\n"


def test_retry_wants_to_be_told_which(database: Database) -> None:
    assert outbox(database, "retry").exit_code == 2


def test_without_its_environment_the_command_names_what_is_missing() -> None:
    done = CliRunner().invoke(main, ["outbox", "list"], env={"DATABASE_URL": ""})
    assert done.exit_code == 1
    assert "DATABASE_URL: is missing" in done.stderr
