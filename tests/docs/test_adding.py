"""The recipes of docs/adding.md: short, of files that are there, and complete by the last addition of each kind."""

import re
from dataclasses import dataclass

import pytest

from support.documents import ROOT, page, tracked

GENERATED = (
    "docs/", "clients/typescript/src/generated/", "devstack/demo/dist/", "src/infrastructure/doctor/catalogue.json",
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """What one of them promises: at most so many files, and none left out that holds the words of its example."""

    heading: str
    most: int
    example: str

    @property
    def files(self) -> list[str]:
        text = page("docs/adding.md").text
        part = text[text.index(f"## {self.heading}\n") :].split("\n## ")[0]
        return re.findall(r"^\| \d+ \| `([^`]+)` \|", part, re.MULTILINE)


RECIPES = [
    Recipe("An action of the vault", 14, r"VALIDATE_POST|ValidatePost\b|POST_VALIDATION_CHANGED"),
    Recipe("A kind of transaction", 9, r"\bREFUND\b|\"refund\"|'refund'"),
    Recipe("An event", 7, r"PostValidationChanged|post_validation_changed"),
]
each = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.heading)


@each
def test_a_recipe_is_short_and_its_files_are_there(recipe: Recipe) -> None:
    assert 0 < len(recipe.files) <= recipe.most
    for file in recipe.files:
        assert file in tracked() or any(name.startswith(file) for name in tracked()), file


@each
def test_a_recipe_leaves_no_file_out_that_ships(recipe: Recipe) -> None:
    touched = {
        name
        for name in tracked()
        if name.startswith(("src/", "migrations/", "clients/typescript/src/"))
        and not name.startswith(GENERATED)
        and re.search(recipe.example, (ROOT / name).read_text(errors="ignore"))
    }
    assert {name for name in touched if not any(name.startswith(file) for file in recipe.files)} == set()
