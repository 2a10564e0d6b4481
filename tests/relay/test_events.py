"""The schemas in docs/events: what an app may rely on."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from application.encoding import to_json
from support.events import balance_updated

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "events"


def check(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "scripts" / "event_schemas.py"), *arguments, str(folder)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the committed schemas."""
    return Path(shutil.copytree(FOLDER, tmp_path / "events"))


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_committed_schemas_are_those_of_the_events() -> None:
    checked = check(FOLDER, "--check")
    assert checked.returncode == 0, checked.stderr


def test_a_stale_schema_is_noticed(folder: Path) -> None:
    change(folder / "balance_updated.schema.json", "A transaction was committed", "Something happened")
    assert "stale" in check(folder, "--check").stderr


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"currency": {', '"fee": {"type": "string"}, "currency": {', "fee is gone"),
        ('"type": "integer"', '"type": "string"', "version was"),
        ('"earning",', '"earning", "gift",', "no 'gift' any more"),
    ],
    ids=["a field", "a type", "a word"],
)
def test_what_an_app_relied_on_is_never_written_away(folder: Path, old: str, new: str, said: str) -> None:
    change(folder / "balance_updated.schema.json", old, new)
    before = (folder / "balance_updated.schema.json").read_text()
    written = check(folder)
    assert written.returncode == 1
    assert said in written.stderr
    assert (folder / "balance_updated.schema.json").read_text() == before


def test_a_payload_is_what_its_schema_says() -> None:
    payload = msgspec.json.decode(to_json(balance_updated(uuid4(), 12)))
    schema = msgspec.json.decode((FOLDER / "balance_updated.schema.json").read_text())
    assert set(payload) == set(schema["required"]) == set(schema["properties"])
    assert re.fullmatch(schema["properties"]["balance"]["pattern"], payload["balance"])
    assert payload["balance"] == "12.00"
    assert payload["version"] == 12
