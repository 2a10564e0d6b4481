"""The floors of the house: what may import what, and that a broken rule is noticed."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(
        command, cwd=root, env={"PYTHONPATH": str(root / "src")}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("domain/money.py", "import infrastructure.settings", "Floors"),
        ("web/routes.py", "import infrastructure.settings", "Floors"),
        ("application/ports.py", "import asyncpg", "Use-cases know no framework"),
        ("domain/money.py", "import msgspec", "standard library only"),
        ("bootstrap/app.py", "import devstack", "Nothing that ships"),
        ("infrastructure/doctor/app.py", "import infrastructure.adoption.run", "Adoptions over the doctor"),
    ],
)
def test_an_import_across_a_floor_is_caught(tmp_path: Path, module: str, line: str, contract: str) -> None:
    shutil.copytree(ROOT / "src", tmp_path / "src")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    broken = tmp_path / "src" / module
    broken.write_text(broken.read_text() + f"\n{line}\n")

    found = lint_imports(tmp_path)

    assert found.returncode != 0
    assert any(
        contract in said and "BROKEN" in found.stdout[found.stdout.index(said) :] for said in [contract]
    )


def test_the_house_as_it_stands_keeps_every_contract() -> None:
    found = lint_imports(ROOT)

    assert found.returncode == 0, found.stdout
