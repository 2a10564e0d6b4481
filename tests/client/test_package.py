"""What the packed package holds, and whether tools find it and its types in every way that there is."""

import json
import tarfile
from pathlib import Path

from client.conftest import ROOT, run


def test_it_holds_what_was_built_and_what_an_app_may_read(packed: Path) -> None:
    with tarfile.open(packed) as archive:
        names = {name.removeprefix("package/") for name in archive.getnames()}
    built = {f"dist/{form}/{entry}" for form in ("esm", "cjs") for entry in ENTRIES}
    assert built <= names
    assert {name for name in names if not name.startswith("dist/")} == {
        "package.json",
        "README.md",
        "CHANGELOG.md",
        "LICENSE",
        "openapi.json",
        "react/package.json",
        "testing/package.json",
    }


ENTRIES = {
    f"{name}{ending}" for name in ("index", "react", "testing") for ending in (".js", ".js.map", ".d.ts")
}


def test_its_document_and_licence_are_those_of_the_repository(packed: Path) -> None:
    for name, source in {"openapi.json": "docs/openapi.json", "LICENSE": "LICENSE"}.items():
        with tarfile.open(packed) as archive:
            held = archive.extractfile(f"package/{name}")
            assert held is not None
            assert held.read() == (ROOT / source).read_bytes()


def test_a_source_map_holds_the_source(packed: Path) -> None:
    for form in ("esm", "cjs"):
        with tarfile.open(packed) as archive:
            held = archive.extractfile(f"package/dist/{form}/money.js.map")
            assert held is not None
            assert "class Money" in json.load(held)["sourcesContent"][0]


def test_publint_has_nothing_to_say(packed: Path) -> None:
    told = run("publint/src/cli.js", str(packed), "--strict", cwd=packed.parent)
    assert "All good!" in told


def test_the_types_are_right_wherever_they_are_found(packed: Path) -> None:
    told = run("@arethetypeswrong/cli/dist/index.js", str(packed), cwd=packed.parent)
    assert "No problems found" in told
