"""FIDELITY.md claims nothing that no test proves, and a run elsewhere says what is true there."""

import ast
from pathlib import Path

import pytest

from support.fidelity import Claim, claims, verdict


def existing_tests(folder: Path) -> set[str]:
    modules = (ast.parse(path.read_text()) for path in folder.glob("test_*.py"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for module in modules for node in module.body if isinstance(node, functions)}


def test_every_claim_names_tests_and_all_of_them_exist() -> None:
    existing = existing_tests(Path(__file__).parent)
    for claim in claims():
        assert claim.tests, f"no test is named: {claim.text}"
        assert set(claim.tests) <= existing, set(claim.tests) - existing


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ({"test_a": True, "test_b": True, "test_c": False}, "true"),
        ({"test_a": True}, "true, as far as seen (1 of 2)"),
        ({"test_a": True, "test_b": False}, "FALSE: test_b"),
        ({"test_c": True}, "not seen"),
    ],
)
def test_a_claim_is_true_false_or_not_seen(outcomes: dict[str, bool], said: str) -> None:
    assert verdict(Claim("x", ("test_a", "test_b")), outcomes) == said
