"""Whatever is wrong, a command ends in two lines: the cause, and what to do. No traceback, no secret, exit 1."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from uuid import uuid4

import pytest
from click.testing import CliRunner

from bootstrap.cli import main
from support.database import Database
from support.ports import free_port

PASSWORD = "tr0ub4dor-and-3-more"
SECRETS = (PASSWORD, "sb_secret_q7Zk2Wm9Xc4Lr8Tp")
COMMANDS = {
    "migrate": ["migrate"],
    "adopt": ["adopt", "--report"],
    "grant-role": ["grant-role", "somebody@lingualink.test", "admin"],
    "erase-user": ["erase-user", str(uuid4())],
    "unfreeze": ["unfreeze", str(uuid4()), "--reason", "cleared up"],
    "outbox list": ["outbox", "list"],
    "outbox retry": ["outbox", "retry", "--all"],
    "outbox drop": ["outbox", "drop", "1", "--reason", "never taken"],
    "doctor --ledger": ["doctor", "--ledger"],
}
AS_OWNER = {"migrate", "adopt", "grant-role", "erase-user", "unfreeze", "outbox drop"}
TROUBLES = {
    "refused log-in": ("postgresql://nobody_such:{password}@127.0.0.1:{port}/{name}", "refuses the log-in"),
    "no such database": ("postgresql://postgres:{password}@127.0.0.1:{port}/nowhere", "3D000"),
    "nobody listens": ("postgresql://me:{password}@127.0.0.1:{free}/x", "does not answer"),
    "an unknown host": ("postgresql://me:{password}@no-such-host.invalid/x", "host is not known"),
    "no TLS": ("postgresql://postgres:{password}@127.0.0.1:{port}/{name}?sslmode=require", "offers no TLS"),
    "brackets": ("postgresql://me:[{password}]@db.example.org/x", "without the brackets"),
    "a slash": ("postgresql://me:{password}/x@db.example.org/x", "percent-encode"),
    "a port that is none": ("postgresql://me:{password}@db.example.org:x/x", "port"),
    "an unknown parameter": ("postgresql://me:{password}@db.example.org/x?sslmod=require", "sslmod"),
    "no CA": ("postgresql://me:{password}@db.example.org/x?sslrootcert=/nowhere.pem", "/nowhere.pem"),
    "weak TLS": ("postgresql://me:{password}@db.example.org/x?sslmode=prefer", "unencrypted"),
    "nothing": ("", "is missing"),
}


@pytest.fixture(autouse=True)
def hooks() -> Iterator[None]:
    """A command is a process of its own: what it sets up for the whole of it is taken back here."""
    kept = sys.excepthook, sys.unraisablehook, threading.excepthook
    yield
    sys.excepthook, sys.unraisablehook, threading.excepthook = kept


def told(command: list[str], environment: Mapping[str, str | None]) -> tuple[int, str, list[str]]:
    """How *command* ends, what it prints, and the lines of what it complains of; no secret is in any of it."""
    ran = CliRunner().invoke(main, command, env=environment)
    said = ran.stdout + ran.stderr
    for secret in SECRETS:
        assert not any(secret[place : place + 8] in said for place in range(len(secret) - 7)), said
    assert "Traceback" not in said
    return ran.exit_code, ran.stdout, ran.stderr.splitlines()


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("command", COMMANDS)
def test_the_cause_and_the_remedy_are_told(command: str, trouble: str, database: Database) -> None:
    address, cause = TROUBLES[trouble]
    variable = "MIGRATION_DATABASE_URL" if command in AS_OWNER else "DATABASE_URL"
    url = address.format(password=PASSWORD, port=database.cluster.port, free=free_port(), name=database.name)

    code, printed, lines = told(COMMANDS[command], {variable: url, "SUPABASE_SECRET_KEY": SECRETS[1]})

    assert (code, printed) == (1, "")
    assert lines[0].startswith("Error: ")
    assert cause in "\n".join(lines[:-1])
    assert variable in "\n".join(lines)
    assert len(lines) == 2 or "environment variables" in lines[0]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_wants_no_variable_that_it_does_not_use(command: str, database: Database) -> None:
    only = "MIGRATION_DATABASE_URL" if command in AS_OWNER else "DATABASE_URL"
    others = ("DATABASE_URL", "MIGRATION_DATABASE_URL", "SUPABASE_URL", "SUPABASE_SECRET_KEY")
    url = database.migrator_url if command in AS_OWNER else database.service_url

    _, _, lines = told(
        COMMANDS[command],
        {**dict.fromkeys(others), only: url, "LINGUALINK_DATABASE_POOLER": database.pooler},
    )

    assert not any("is missing" in line for line in lines)


@pytest.mark.parametrize("command", ["serve", "relay"])
def test_a_service_names_every_variable_that_is_wrong(command: str) -> None:
    code, _, lines = told(
        [command],
        {
            "DATABASE_URL": f"postgresql://me:[{PASSWORD}]@h/x",
            "SUPABASE_URL": "supabase",
            "SUPABASE_SECRET_KEY": f"{SECRETS[1]}\u2022\u2022",
            "LINGUALINK_PORT": "many",
        },
    )

    assert code == 1
    named = {line.split(":")[0].strip() for line in lines[1:-1]}
    assert named == {"DATABASE_URL", "SUPABASE_URL", "SUPABASE_SECRET_KEY", "LINGUALINK_PORT"}


def test_the_doctor_tells_what_it_found_before_something_failed(database: Database) -> None:
    environment = {
        "DATABASE_URL": f"{database.service_url}?connect_timeout=10",
        "LINGUALINK_DATABASE_POOLER": database.pooler,
        "MIGRATION_DATABASE_URL": f"postgresql://nobody_such:{PASSWORD}@127.0.0.1:{database.cluster.port}/x",
        "SUPABASE_URL": f"http://127.0.0.1:{free_port()}",
        "SUPABASE_SECRET_KEY": SECRETS[1],
    }

    code, printed, lines = told(["doctor"], environment)

    assert code == 1
    assert [line.split(":")[0] for line in printed.splitlines()] == [
        "warning parameters_ignored",
        "warning clients_not_probed",
        "error signing_keys_unreachable",
        "error realtime_unreachable",
    ]
    assert lines == []


@pytest.mark.parametrize(
    "words",
    [
        ["migrate", f"postgresql://me:{PASSWORD}@h/x"],
        ["--url", f"postgresql://me:{PASSWORD}@h/x"],
        ["grant-role", "somebody", f"sb_secret_{PASSWORD}"],
        ["outbox", "drop-all"],
        ["erase-user", "nobody"],
        ["outbox", "retry"],
    ],
)
def test_what_can_not_be_understood_is_said_without_a_secret(words: list[str]) -> None:
    code, printed, lines = told(words, {})

    assert (code, printed) == (2, "")
    assert lines[-1].startswith("Error: ")


@pytest.mark.parametrize("words", [["--help"], ["migrate", "--help"], ["--version"], ["outbox", "--help"]])
def test_help_needs_no_environment(words: list[str]) -> None:
    code, printed, lines = told(words, {})

    assert (code, lines) == (0, [])
    assert printed


def test_the_version_is_the_release() -> None:
    assert told(["--version"], {"LINGUALINK_RELEASE": "1.2.3+abc"})[1] == "lingualink 1.2.3+abc\n"


def test_a_role_that_lacks_a_right_is_told_so(database: Database) -> None:
    code, printed, lines = told(COMMANDS["grant-role"], {"MIGRATION_DATABASE_URL": database.service_url})

    assert (code, printed) == (1, "")
    assert lines[0].startswith("Error: The role of MIGRATION_DATABASE_URL lacks a right (")


def test_erasing_nobody_is_no_success(database: Database) -> None:
    nobody = str(uuid4())

    code, printed, lines = told(["erase-user", nobody], {"MIGRATION_DATABASE_URL": database.migrator_url})

    assert (code, printed) == (1, "")
    assert nobody in lines[0]
    assert database.run("select from private.audit_log") == []


COMMAND = [sys.executable, "-c", "from bootstrap.cli import main; main()"]


def test_a_reader_that_has_gone_ends_a_command_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, "migrate", "--sql"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
    )
    os.close(writer)

    assert (done.returncode, done.stderr) == (1, "")


def test_an_interrupt_ends_a_command_in_one_word() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(120)
        address = f"postgresql://me:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}/x?sslmode=require"
        waiting = subprocess.Popen(
            [*COMMAND, "doctor", "--ledger"],
            env={**os.environ, "DATABASE_URL": address},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - as a shell has it
        )
        asked, _ = silent.accept()
        with asked:
            asked.recv(1)
            waiting.send_signal(signal.SIGINT)
            printed, said = waiting.communicate(timeout=120)

    assert (waiting.returncode, printed, said) == (1, "", "Stopped.\n")
