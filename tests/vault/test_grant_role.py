"""``lingualink grant-role``, as operators type it."""

from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from bootstrap.cli import main
from support.database import MIGRATOR, Database

EMAIL = "ama@lingualink.test"


def grant_role(database: Database | None, *arguments: str) -> Result:
    url = None if database is None else database.migrator_url
    return CliRunner().invoke(main, ["grant-role", *arguments], env={"MIGRATION_DATABASE_URL": url})


def sign_up(database: Database, email: str = EMAIL) -> str:
    """Somebody who never came to the backend: an account, and no profile."""
    [row] = database.run("insert into auth.users (id, email) values ($1, $2) returning id", uuid4(), email)
    return str(row["id"])


def test_the_first_admin_comes_to_be_by_e_mail_and_the_record_says_who_did_it(database: Database) -> None:
    user_id = sign_up(database)

    granted = grant_role(database, EMAIL.upper(), "admin")

    assert (granted.exit_code, granted.stdout) == (0, f"{user_id} is admin now, was user.\n")
    [stored] = database.run("select id::text, role from public.profiles")
    assert (stored["id"], stored["role"]) == (user_id, "admin")
    [row] = database.run(
        "select *, target_id::text as target, before::text, after::text from private.audit_log"
    )
    assert (row["operator"], row["actor_id"], row["session_id"]) == (MIGRATOR, None, None)
    assert (row["action"], row["target"], row["refusal"]) == ("role.changed", user_id, None)
    assert (row["before"], row["after"]) == ('{"role": "user"}', '{"role": "admin"}')


def test_whoever_never_came_here_gets_the_name_that_auth_knows(database: Database) -> None:
    user_id = sign_up(database)
    database.run(
        """update auth.users set raw_user_meta_data = '{"username": "ama", "full_name": "Ama B.", "x": 1}'"""
    )

    assert grant_role(database, user_id, "admin").exit_code == 0

    [row] = database.run("select username, full_name, role from public.profiles")
    assert tuple(row) == ("ama", "Ama B.", "admin")


def test_granting_again_changes_and_records_nothing(database: Database) -> None:
    user_id = sign_up(database)
    grant_role(database, user_id, "moderator")

    again = grant_role(database, user_id, "moderator")

    assert again.exit_code == 0
    assert "already" in again.stdout
    assert len(database.run("select from private.audit_log")) == 1


@pytest.mark.parametrize("who", ["nobody@lingualink.test", "6e1f1d1a-3d5c-4f0e-9d38-1d9a1d1f9c11", "%", ""])
def test_an_unknown_user_is_named_in_one_clear_line(database: Database, who: str) -> None:
    sign_up(database)

    refused = grant_role(database, who, "admin")

    assert refused.exit_code == 1
    assert refused.stderr.splitlines()[0] == f"Error: There is no account {who}."
    assert database.run("select from private.audit_log") == []


def test_an_unknown_role_is_refused(database: Database) -> None:
    assert grant_role(database, EMAIL, "owner").exit_code == 2


def test_the_last_admin_can_not_be_lost_by_an_operator_either(database: Database) -> None:
    sign_up(database)
    grant_role(database, EMAIL, "admin")

    refused = grant_role(database, EMAIL, "user")

    assert refused.exit_code == 1
    assert "last admin" in refused.stderr
    assert database.run("select role from public.profiles")[0]["role"] == "admin"


def test_without_a_database_it_says_which_variable_is_missing() -> None:
    refused = grant_role(None, EMAIL, "admin")

    assert refused.exit_code == 1
    assert "MIGRATION_DATABASE_URL" in refused.stderr
