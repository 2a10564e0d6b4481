"""The alarms: each has a threshold, a time, and a row in operations.md that says what to do."""

import re
from typing import Any

import pytest
import yaml

from support.documents import ROOT, page

RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((ROOT / "docs/prometheus.rules.yml").read_text())["groups"]
    for rule in group["rules"]
]


def test_each_has_its_row_and_each_row_its_alarm() -> None:
    rows = [
        name
        for table in page("docs/operations.md").tables
        for row in table
        for name in re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", row[0])
    ]

    assert sorted(rows) == sorted(rule["alert"] for rule in RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_an_alarm_is_complete_and_its_runbook_is_there(rule: dict[str, Any]) -> None:
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"\d+[mh]", rule["for"])
    assert rule["labels"]["severity"] in {"page", "ticket", "info"}
    assert rule["annotations"]["summary"]
    name, anchor = rule["annotations"]["runbook"].split("#")
    assert anchor in page(name).anchors


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_its_brackets_close(rule: dict[str, Any]) -> None:
    depth = 0
    for bracket in re.findall(r"[(){}\[\]]", re.sub(r'"[^"]*"', "", rule["expr"])):
        depth += 1 if bracket in "([{" else -1
        assert depth >= 0
    assert depth == 0
