"""The package as ``npm pack`` makes it, and an app outside the repository that has installed it."""

import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from support.javascript import node

ROOT = Path(__file__).parents[2]
MODULES = ROOT / "node_modules"
NPM = Path(sys.executable).with_name("npm")
NAME = "@lingualink/backend-client"
# What an app has of its own, or gets with the package; linked, so that no registry is asked.
INSTALLED = (
    "openapi-fetch",
    "openapi-typescript-helpers",
    "@noble",
    "@supabase",
    "@tanstack",
    "@types",
    "abort-controller",
    "csstype",
    "event-target-shim",
    "metro-resolver",
    "flow-enums-runtime",
    "msw",
    "openapi-react-query",
    "react",
    "typescript",
    "undici-types",
    "vite",
    "whatwg-fetch",
)


def run(program: str, *arguments: str, cwd: Path) -> str:
    """Run a Node program of the repository; what it printed."""
    script = NPM if program == "npm" else MODULES / program
    return run_node(str(script), *arguments, cwd=cwd)


def run_node(*arguments: str, cwd: Path) -> str:
    """Run Node; what it printed."""
    return finished([node(), *arguments], cwd)


def finished(command: list[str], cwd: Path) -> str:
    """Run *command* to its good end; what it printed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built anew in a copy: tests run side by side."""
    copy = tmp_path_factory.mktemp("repository")
    client = copy / "clients" / "typescript"
    shutil.copytree(
        ROOT / "clients" / "typescript",
        client,
        ignore=shutil.ignore_patterns("dist", "node_modules", "tests", "react", "testing.d", "*.tgz"),
    )
    shutil.copy(ROOT / "LICENSE", copy)
    (copy / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "openapi.json", copy / "docs")
    (client / "node_modules").symlink_to(MODULES)
    run("npm", "pack", "--silent", "--pack-destination", str(copy), cwd=client)
    [tarball] = copy.glob("*.tgz")
    return tarball


@pytest.fixture(scope="session")
def consumer(packed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of an app, with the package in its node_modules."""
    app = tmp_path_factory.mktemp("consumer")
    installed = app / "node_modules" / NAME
    with tarfile.open(packed) as archive:
        archive.extractall(app, filter="data")
    installed.parent.mkdir(parents=True)
    (app / "package").rename(installed)
    for needed in INSTALLED:
        (app / "node_modules" / needed).symlink_to(MODULES / needed)
    (app / "package.json").write_text(json.dumps({"name": "app", "type": "module"}))
    for file in (Path(__file__).parent / "consumer").iterdir():
        shutil.copy(file, app)
    return app
