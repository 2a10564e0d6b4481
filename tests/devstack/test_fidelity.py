"""FIDELITY.md claims nothing that no test proves."""

import ast
import re
from pathlib import Path

import devstack

DOCUMENT = Path(devstack.__file__).with_name("FIDELITY.md")


def existing_tests(folder: Path) -> set[str]:
    modules = (ast.parse(path.read_text()) for path in folder.glob("test_*.py"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for module in modules for node in module.body if isinstance(node, functions)}


def claims() -> list[str]:
    matches = DOCUMENT.read_text().split("## Matches")[1].split("## Does not match")[0]
    return [line for line in matches.splitlines() if line.startswith("- ")]


def test_every_claim_names_tests_and_all_of_them_exist() -> None:
    existing = existing_tests(Path(__file__).parent)
    for claim in claims():
        named = re.findall(r"`(test_\w+)`", claim)
        assert named, f"no test is named: {claim}"
        assert set(named) <= existing, set(named) - existing
