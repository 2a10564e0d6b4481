"""The pages are of one form: nothing stands twice, nothing is left out of a list, every decision tells the same."""

import json
import re
import tomllib
from collections import Counter

import pytest

from support.documents import ROOT, Page, page, pages, tracked

DECISIONS = [one for one in pages() if re.match(r"docs/adr/\d", one.name)]
SECTIONS = ["Decision", "Why", "Consequence", "Enforced by"]


@pytest.mark.parametrize("document", pages(), ids=str)
def test_no_row_of_a_table_stands_twice(document: Page) -> None:
    twice = [
        row[:2]
        for table in document.tables
        for row in table
        if [other[:2] for other in table].count(row[:2]) > 1 and row[0]
    ]
    assert twice == []


def test_the_map_names_every_page_once() -> None:
    links = [link.partition("#")[0].removeprefix("./") for link in page("docs/README.md").links]
    own = {one.name.removeprefix("docs/") for one in pages() if re.fullmatch(r"docs/[a-z-]+\.md", one.name)}

    assert [link for link, times in Counter(links).items() if times > 1] == []
    assert own <= set(links)


@pytest.mark.parametrize("document", DECISIONS, ids=str)
def test_every_decision_tells_why_what_follows_and_what_enforces_it(document: Page) -> None:
    assert re.findall(r"^\*\*([A-Z][a-z ]+?)\.?\*\*", document.text, re.MULTILINE) == SECTIONS


def test_the_list_of_decisions_has_every_one_by_its_title() -> None:
    listed = re.findall(r"^\| \[(\d+)\]\((\S+)\) \| (.+) \|$", page("docs/adr/README.md").text, re.MULTILINE)
    there = []
    for one in DECISIONS:
        title = re.match(r"# (\d{4})\. (.+)\n", one.text)
        assert title is not None, one
        there.append((title[1], one.name.removeprefix("docs/adr/"), title[2]))

    assert listed == there


def test_every_dependency_has_its_reason_and_no_other_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    python = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    wanted = {re.split(r"[\[<>=!~; ]", requirement)[0] for requirement in python}
    for name in tracked():
        if name.endswith("package.json") and "tests/" not in name:
            package = json.loads((ROOT / name).read_text())
            for kind in ("dependencies", "devDependencies", "peerDependencies"):
                wanted |= {one for one in package.get(kind, {}) if not one.startswith("@lingualink/")}
    rows = [row[0] for table in page("docs/dependencies.md").tables for row in table]
    named = [word.strip() for row in rows for word in row.replace("(npm)", "").split(",")]

    assert sorted(named) == sorted(wanted)


def test_the_next_migration_has_the_next_number() -> None:
    numbers = [int(name[20:24]) for name in tracked() if re.match(r"migrations/versions/\d{4}_", name)]
    [said] = re.findall(r"--rev-id (\d{4})", page("migrations/README.md").text)

    assert int(said) == max(numbers) + 1
