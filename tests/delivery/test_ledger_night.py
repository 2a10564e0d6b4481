"""The ledger's night: a seal is kept where all before it was proven, and only there."""

import os
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from infrastructure.postgres.accounts import OPEN_WITH_BALANCE
from support.database import Database
from support.documents import ROOT
from support.ledger import tamper

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(600)]  # each command starts a Python


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Programs, with ``lingualink`` as this Python runs it before them."""
    command = tmp_path / "bin" / "lingualink"
    command.parent.mkdir()
    command.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -c \'from bootstrap.cli import main; main()\' "$@"\n'
    )
    command.chmod(0o755)
    return f"{command.parent}:{os.environ['PATH']}"


def night(database: Database, path: str, seals: Path) -> int:
    """What the night ends with."""
    environment = {
        **os.environ,
        "PATH": path,
        "DATABASE_URL": database.service_url,
        "LINGUALINK_DATABASE_POOLER": database.pooler,
    }
    done = subprocess.run([ROOT / "scripts" / "ledger_night.sh", seals], env=environment, check=False)
    return done.returncode


async def test_a_night_keeps_a_seal_only_of_what_was_proven(
    database: Database, path: str, tmp_path: Path
) -> None:
    seals = tmp_path / "seals.jsonl"
    await database.fetch(OPEN_WITH_BALANCE, uuid4(), 5)

    first = night(database, path, seals)
    [kept] = seals.read_text().splitlines()
    await tamper(database, "update public.wallets set balance = 6")
    second = night(database, path, seals)

    assert (first, second) == (0, 1)
    assert msgspec.json.decode(kept)["id"] == 1
    assert seals.read_text().splitlines() == [kept]
