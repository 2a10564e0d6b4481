"""The workflows hold no logic, few rights, and nothing that may change under them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.__main__ import main
from deploy.image import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
EACH = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def jobs(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())["jobs"]
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in jobs(path).values() for step in job["steps"]]


@EACH
def test_every_action_is_named_by_its_commit(path: Path) -> None:
    used = re.findall(r"uses: (.+)", path.read_text())

    assert used
    assert [use for use in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[0-9.]+", use)] == []


@EACH
def test_rights_are_none_until_a_job_names_its_own(path: Path) -> None:
    assert yaml.safe_load(path.read_text())["permissions"] == {}
    assert all(job["permissions"] for job in jobs(path).values())


@EACH
def test_every_job_ends(path: Path) -> None:
    assert all(job["timeout-minutes"] <= 180 for job in jobs(path).values())


@EACH
def test_no_checkout_keeps_its_credentials(path: Path) -> None:
    checkouts = [step for step in steps(path) if step.get("uses", "").startswith("actions/checkout@")]

    assert [step["with"]["persist-credentials"] for step in checkouts] == [False] * len(checkouts)


@EACH
def test_no_script_takes_text_from_outside(path: Path) -> None:
    assert [step["run"] for step in steps(path) if "${{" in step.get("run", "")] == []


@EACH
def test_scripts_only_call_what_is_there(path: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    said = " \n".join(step.get("run", "") for step in steps(path))
    made = {
        word
        for line in re.findall(r"^make (?:-s )?([a-z0-9 -]+)", said, re.MULTILINE)
        for word in line.split()
    }
    deployed = set(re.findall(r"-m deploy ([a-z-]+)", said))

    assert made <= targets
    assert deployed <= set(main.commands)


def test_a_matrix_names_targets_that_are_there() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    matrix = jobs(ROOT / ".github/workflows/ci.yml")["test"]["strategy"]["matrix"]["include"]

    assert {entry["target"] for entry in matrix} <= targets


def test_production_is_touched_by_one_run_at_a_time_and_only_where_it_is_protected() -> None:
    for name in ("deploy", "rollback"):
        workflow = yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text())
        assert workflow["concurrency"] == {"group": "production", "cancel-in-progress": False}
        secretive = [job for job in workflow["jobs"].values() if "secrets." in json.dumps(job)]
        assert {job["environment"] for job in secretive} == {"production"}


def test_what_is_deployed_is_what_was_verified_and_migrated() -> None:
    deploy = jobs(ROOT / ".github/workflows/deploy.yml")

    assert deploy["verify"]["needs"] == "build"
    assert deploy["migrate"]["needs"] == ["build", "verify"]
    assert deploy["release"]["needs"] == ["build", "migrate"]
    images = {deploy[name]["env"]["IMAGE"] for name in ("verify", "migrate", "release")}
    assert images == {"${{ needs.build.outputs.image }}"}


def test_what_is_rolled_back_to_was_verified_as_what_is_deployed() -> None:
    rollback, deploy = (jobs(ROOT / f".github/workflows/{name}.yml") for name in ("rollback", "deploy"))

    assert rollback["rollback"]["needs"] == "verify"
    assert rollback["verify"]["steps"] == deploy["verify"]["steps"]
    assert {rollback[name]["env"]["IMAGE"] for name in ("verify", "rollback")} == {"${{ inputs.image }}"}


def test_one_job_stands_for_all_others_of_ci() -> None:
    ci = jobs(ROOT / ".github/workflows/ci.yml")

    assert set(ci["all"]["needs"]) == set(ci) - {"all"}
    assert ci["all"]["if"] == "always()"


def test_the_linters_find_nothing() -> None:
    tools = Path(sys.executable).parent
    commands: list[list[Path | str]] = [
        [tools / "hadolint", ROOT / "Containerfile"],
        [tools / "zizmor", "--quiet", "--offline", "--persona", "auditor", "--no-progress", ROOT / ".github"],
    ]
    for command in commands:
        found = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stdout


def test_the_cli_stack_is_described_as_the_system_tests_want_it() -> None:
    status = {
        "API_URL": "http://127.0.0.1:54321",
        "DB_URL": "postgresql://postgres:postgres@127.0.0.1:54322/postgres",
        "PUBLISHABLE_KEY": "sb_publishable_x",
        "SECRET_KEY": "sb_secret_x",
        "STUDIO_URL": "http://127.0.0.1:54323",
    }
    printed = subprocess.run(
        [sys.executable, ROOT / "scripts" / "supabase_env.py"],
        input=json.dumps(status),
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert printed.splitlines() == [
        "SUPABASE_URL=http://127.0.0.1:54321",
        "SUPABASE_PUBLISHABLE_KEY=sb_publishable_x",
        "SUPABASE_SECRET_KEY=sb_secret_x",
        "TEST_DATABASE_URL=postgresql://supabase_admin:postgres@127.0.0.1:54322/postgres",
    ]
