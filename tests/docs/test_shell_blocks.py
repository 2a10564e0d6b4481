"""Every shell block of the documents runs in a test, or says in a comment before it why it can't."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from support.backend import System
from support.database import Database
from support.documents import ROOT, Block, page, pages, tracked
from system.conftest import Enter

BLOCKS = [
    block for document in pages() for block in document.blocks if block.language in {"sh", "bash", "console"}
]
HERE = str(Path(__file__).relative_to(ROOT))
TUTOR = UUID("d0000000-0000-4000-8000-000000000004")


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_says_what_runs_it_or_why_nothing_does(block: Block) -> None:
    assert block.run_by in tracked() or len((block.why_not or "").split()) >= 3


def test_what_runs_here_is_what_says_so() -> None:
    assert {block.page for block in BLOCKS if block.run_by == HERE} == {"README.md", "docs/operations.md"}


def only_block(name: str) -> str:
    [block] = [block for block in page(name).blocks if block.run_by == HERE]
    return block.text


def run(script: str, **environment: str) -> str:
    """What *script* prints in a shell that stops at the first failure, with this environment's commands in reach."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/sh", "-euc", script],
        env={**os.environ, "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.anyio
async def test_the_readmes_payment_pays_and_answers_what_it_shows(system: System, enter: Enter) -> None:
    learner = await enter(balance="25.00")
    await system.database.fetch(
        "insert into auth.users (id, email) values ($1, 'tutor@lingualink.test')", TUTOR
    )
    await system.database.fetch("insert into public.profiles (id) values ($1) on conflict do nothing", TUTOR)
    script = only_block("README.md").replace("http://127.0.0.1:8000", system.api_url)

    answer = json.loads(run(f"{script.rstrip()} --silent --show-error --fail-with-body", TOKEN=learner.token))

    [shown] = [json.loads(block.text) for block in page("README.md").blocks if block.language == "json"]
    shown["transaction"].pop("…")
    assert {name: answer["transaction"][name] for name in shown["transaction"]} == shown["transaction"]
    assert {name: answer[name] for name in ("balance", "version")} == {
        name: shown[name] for name in ("balance", "version")
    }


def test_the_first_deployments_migration_migrates(database: Database) -> None:
    script = only_block("docs/operations.md")
    address = re.search(r"'(postgresql://postgres:[^']*)'", script)
    assert address is not None

    run(script.replace(address[1], database.migrator_url))

    [level] = database.run("select level from private.schema_level")
    assert level["level"] >= 1
