"""The TypeScript client's own tests, run by vitest against the running system."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.postgres import LocalPostgres
from support.accounts import open_account, sign_ups
from support.backend import System
from support.javascript import node
from support.people import PASSWORD
from support.stack import supabase_on

# The long form has 200 sequences; make soak sets it.
SEQUENCES = int(os.environ.get("LINGUALINK_SEQUENCES", "6"))
pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300 + 10 * SEQUENCES)]

ROOT = Path(__file__).parents[2]
VITEST = ROOT / "node_modules" / "vitest" / "vitest.mjs"


@pytest.fixture
def short_lived(projects: LocalPostgres, system: System) -> Iterator[str]:
    """Where the same Supabase answers with tokens that live for two seconds."""
    with supabase_on(projects, system.database.name, token_lifetime=2) as stack:
        yield stack.url


# The ends of the range of supabase-js that the package allows; what has nothing to do with it runs on one.
ENDS = {"newest": (), "oldest": ("wallet", "posts", "sequences")}


@pytest.mark.parametrize(("supabase_js", "files"), ENDS.items(), ids=ENDS)
async def test_the_typescript_client_keeps_its_promises(
    supabase_js: str, files: tuple[str, ...], system: System, short_lived: str
) -> None:
    async with sign_ups(system.supabase) as http:
        admin = await open_account(system.database, http, role="admin")
    known = {
        "api": system.api_url,
        "supabase": system.supabase.url,
        "shortLived": short_lived,
        "publishableKey": system.supabase.publishable_key,
        "secretKey": system.supabase.secret_key,
        "admin": {"email": admin.person.email, "password": PASSWORD},
    }
    done = subprocess.run(  # noqa: ASYNC221 - the system runs in threads of its own
        [node(), str(VITEST), "run", *files],
        cwd=ROOT / "clients" / "typescript",
        env={
            **os.environ,
            "LINGUALINK_TEST_SYSTEM": json.dumps(known),
            "LINGUALINK_SUPABASE_JS": supabase_js,
            "NO_COLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    print(done.stdout)  # noqa: T201 - with pytest -s, what ran
