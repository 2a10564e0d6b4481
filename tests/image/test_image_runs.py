"""The built image, run as it is: `make test-image`, which names it in LINGUALINK_TEST_IMAGE."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from deploy.image import builder
from devstack.postgres import LocalPostgres
from support.backend import environment_for, wait_until_ready
from support.database import Database, make_project
from support.ports import free_port
from support.stack import SupabaseStack, supabase_on

IMAGE = os.environ.get("LINGUALINK_TEST_IMAGE", "")
USER = 10001

pytestmark = pytest.mark.skipif(not IMAGE, reason="LINGUALINK_TEST_IMAGE names no image: make test-image")


class Container:
    """The image under the builder that is here. Buildah has no ``run --read-only``: it lends its file system."""

    def __init__(self, tool: str) -> None:
        self._tool = tool
        self._name = ""
        if tool == "buildah":
            self._name = _output([tool, "from", "--pull-never", IMAGE]).strip()

    def config(self) -> dict[str, Any]:
        """What the image says of itself."""
        kind = ["inspect", "--type", "image"] if self._tool == "buildah" else ["image", "inspect"]
        told = json.loads(_output([self._tool, *kind, IMAGE]))
        found: dict[str, Any] = told["Docker"]["config"] if self._tool == "buildah" else told[0]["Config"]
        return found

    def command(self, words: list[str], variables: Mapping[str, str], entry: str = "lingualink") -> list[str]:
        """How *entry* *words* is run in the image, on this machine's network, with *variables* alone."""
        given = [word for name, value in variables.items() for word in ("--env", f"{name}={value}")]
        if self._tool == "buildah":
            return [self._tool, "run", "--isolation", "chroot", *given, self._name, "--", entry, *words]
        options = ["--rm", "--init=false", "--read-only", "--network", "host", "--cap-drop", "all"]
        return [self._tool, "run", *options, *given, "--entrypoint", entry, IMAGE, *words]

    def remove(self) -> None:
        """Forget what was run."""
        if self._name:
            _output([self._tool, "rm", self._name])


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def container() -> Iterator[Container]:
    made = Container(builder())
    yield made
    made.remove()


def variables_for(database: Database, supabase: SupabaseStack, port: int) -> dict[str, str]:
    ours = ("DATABASE_URL", "SUPABASE_URL", "SUPABASE_SECRET_KEY", "LINGUALINK_PORT")
    known = environment_for(database, supabase, port)
    return {name: known[name] for name in ours} | {"LINGUALINK_DRAIN_DELAY": "0", "LINGUALINK_WORKERS": "2"}


def test_the_image_migrates_serves_and_stops(container: Container, cluster: LocalPostgres) -> None:
    database = asyncio.run(make_project(cluster, "image"))
    _output(container.command(["migrate"], {"MIGRATION_DATABASE_URL": database.migrator_url}))
    port = free_port()
    with supabase_on(cluster, database.name) as supabase:
        command = container.command(["serve"], variables_for(database, supabase, port))
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            wait_until_ready(server, f"http://127.0.0.1:{port}")
            ready = httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=30)
            check = container.config()["Healthcheck"]["Test"]
            _output(container.command(check[2:], {"LINGUALINK_PORT": str(port)}, check[1]))
            os.kill(server_on(port), signal.SIGTERM)
            code = server.wait(60)
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)

    assert ready.json()["status"] == "ok"
    assert code == 0


def test_the_image_says_what_it_is_and_runs_as_nobody_in_particular(container: Container) -> None:
    config = container.config()

    assert config["User"] == f"{USER}:{USER}"
    assert (config["Entrypoint"], config["Cmd"]) == (["lingualink"], ["serve"])
    assert config["StopSignal"] == "SIGTERM"
    assert config["Labels"]["org.opencontainers.image.revision"] != "unknown"
    assert config["Labels"]["org.opencontainers.image.base.name"]


def test_the_api_document_is_made_without_what_the_image_leaves_out(container: Container) -> None:
    make = (
        "from litestar import Litestar; from web.authentication import SessionRequest; "
        "from web.openapi import openapi_config; from web.routes import ROUTES; "
        "app = Litestar(ROUTES, openapi_config=openapi_config(), request_class=SessionRequest); "
        "print(app.openapi_schema.openapi)"
    )

    assert _output(container.command(["-c", make], {}, "python")).startswith("3.1")


def test_nothing_in_the_image_builds_or_pretends_to_be_supabase(container: Container) -> None:
    look = (
        "import importlib.util as u, shutil; "
        "print([name for name in ('devstack', 'pip', 'uv', 'hatchling', 'pytest') if u.find_spec(name)], "
        "[name for name in ('cc', 'gcc', 'make', 'git', 'uv') if shutil.which(name)])"
    )

    assert _output(container.command(["-c", look], {}, "python")).strip() == "[] []"


def test_the_images_user_can_write_nothing_of_it(container: Container) -> None:
    look = "import os; print([p for p in ('/', '/app', '/app/lib', '/app/bin', '/etc') if os.access(p, os.W_OK)])"

    assert _output(container.command(["-c", look], {}, "python")).strip() == "[]"


def server_on(port: int) -> int:
    """The process that serves on *port* as the image's user; of several workers their parent."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            told = f"LINGUALINK_PORT={port}".encode() in (folder / "environ").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            if told and folder.stat().st_uid == USER:
                found[int(folder.name)] = parent
        except OSError:
            continue  # no process, or one that has just ended
    [top] = [process for process, parent in found.items() if parent not in found]
    return top
