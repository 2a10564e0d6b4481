"""The JavaScript lock names no registry, and lists what other platforms need: ``npm ci`` refuses a lock with gaps."""

import json
from pathlib import Path
from typing import Any

LOCKED: dict[str, dict[str, Any]] = json.loads((Path(__file__).parents[2] / "package-lock.json").read_text())[
    "packages"
]


def test_the_lock_names_no_registry() -> None:
    assert [name for name, package in LOCKED.items() if "://" in package.get("resolved", "")] == []


def test_what_is_optional_on_this_platform_is_locked_too() -> None:
    wanted = {name for package in LOCKED.values() for name in package.get("optionalDependencies", {})}
    locked = {name.rpartition("node_modules/")[2] for name in LOCKED}
    assert wanted
    assert wanted - locked == set()
