"""``lingualink outbox``: what could not be delivered, and sending it again."""

import asyncio
import json
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from bootstrap.cli import main
from support.database import MIGRATOR, Database
from support.events import for_each, owe
from support.relays import environment

EVENTS = for_each([uuid4()], range(1, 4))
DEAD_LETTER = """
update private.realtime_outbox set dead_lettered_at = now(), last_error = '422: too large', attempts = 1
where event_id = any ($1) returning id
"""


@pytest.fixture
def dead(database: Database) -> list[int]:
    """Three events of which two are dead-lettered; the ids of those."""
    asyncio.run(owe(database, EVENTS))
    return sorted(row["id"] for row in database.run(DEAD_LETTER, [event.event_id for event in EVENTS[:2]]))


def outbox(database: Database, *arguments: str) -> Result:
    """Run the command with the service's environment, of which only the database has to answer."""
    variables = environment(database.service_url, "http://127.0.0.1:9")
    return CliRunner().invoke(main, ["outbox", *arguments], env=variables)


def test_list_shows_what_is_dead_lettered_and_why(database: Database, dead: list[int]) -> None:
    lines = outbox(database, "list").stdout.splitlines()
    assert [int(line.split()[0]) for line in lines[:-1]] == dead
    assert all("422: too large" in line for line in lines[:-1])
    assert lines[-1].startswith("2 dead-lettered; 1 pending")


def test_list_speaks_json(database: Database, dead: list[int]) -> None:
    told = json.loads(outbox(database, "list", "--json").stdout)
    assert [event["id"] for event in told["dead_letters"]] == dead
    assert told["dead_letters"][0]["event_id"] == str(EVENTS[0].event_id)
    assert (told["backlog"]["pending"], told["backlog"]["dead_lettered"]) == (1, 2)


def test_retry_makes_the_named_events_pending_again(database: Database, dead: list[int]) -> None:
    done = outbox(database, "retry", str(dead[1]))
    assert (done.exit_code, done.stdout) == (0, "Pending again: 1.\n")
    rows = database.run("select id from private.realtime_outbox where dead_lettered_at is not null")
    assert [row["id"] for row in rows] == dead[:1]


def test_retry_names_what_was_not_dead_lettered(database: Database, dead: list[int]) -> None:
    done = outbox(database, "retry", str(dead[0]), "999999")
    assert done.exit_code == 1
    assert "Not dead-lettered: 999999" in done.stderr


def test_retry_all(database: Database, dead: list[int]) -> None:
    assert outbox(database, "retry", "--all").stdout == f"Pending again: {len(dead)}.\n"


def test_retry_wants_to_be_told_which(database: Database) -> None:
    assert outbox(database, "retry").exit_code == 2


def drop(database: Database, *arguments: str) -> Result:
    """Run the command as an operator."""
    variables = {"MIGRATION_DATABASE_URL": database.migrator_url}
    return CliRunner().invoke(main, ["outbox", "drop", *arguments], env=variables)


def test_what_is_dropped_is_told_to_nobody_and_recorded_with_its_reason(
    database: Database, dead: list[int]
) -> None:
    done = drop(database, str(dead[0]), "--reason", "its topic is gone")
    again = outbox(database, "retry", "--all")
    [record] = database.run(
        "select operator, target_id, reason, before ->> 'event' as event from private.audit_log "
        "where action = 'event.dropped'"
    )
    assert (done.exit_code, done.stdout) == (0, f"Dropped: {dead[0]}.\n")
    assert again.stdout == "Pending again: 1.\n"
    assert (record["target_id"], record["reason"]) == (EVENTS[0].event_id, "its topic is gone")
    assert (record["operator"], record["event"]) == (MIGRATOR, "balance_updated")
    assert outbox(database, "list").stdout.startswith("0 dead-lettered; 2 pending")


def test_what_waits_can_be_dropped_and_what_is_delivered_or_unknown_can_not(
    database: Database, dead: list[int]
) -> None:
    [waiting] = database.run(
        "update private.realtime_outbox set attempts = 1 where dead_lettered_at is null returning id"
    )
    assert drop(database, str(waiting["id"]), "--reason", "x").exit_code == 0
    assert drop(database, str(waiting["id"]), "--reason", "x").exit_code == 1
    database.run(
        "update private.realtime_outbox set delivered_at = now() where id = $1 returning id", dead[0]
    )
    assert drop(database, str(dead[0]), "--reason", "x").exit_code == 1
    assert drop(database, "999999", "--reason", "x").exit_code == 1


def test_dropping_wants_a_reason(database: Database, dead: list[int]) -> None:
    assert drop(database, str(dead[0])).exit_code == 2


def test_without_its_environment_the_command_names_what_is_missing() -> None:
    done = CliRunner().invoke(main, ["outbox", "list"], env={"DATABASE_URL": ""})
    assert done.exit_code == 1
    assert "DATABASE_URL: is missing" in done.stderr
