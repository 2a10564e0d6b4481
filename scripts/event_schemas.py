"""Write docs/events/<event>.schema.json from the event types; with ``--check`` only say whether they are right.

An event changes by addition only: what an app may rely on already is never written away.
"""

import sys
from pathlib import Path

import msgspec

from application.realtime.event_schemas import Schema, breaking_changes, event_schemas

FOLDER = Path(__file__).parents[1] / "docs" / "events"
SUFFIX = ".schema.json"


def main(arguments: list[str]) -> int:
    """Write or check; the exit status. A folder can be named for a trial."""
    folder = next((Path(word) for word in arguments if not word.startswith("-")), FOLDER)
    texts = {name: _text(schema) for name, schema in event_schemas().items()}
    written = {path.name.removesuffix(SUFFIX): path.read_text() for path in folder.glob(f"*{SUFFIX}")}
    lost = list(breaking_changes(_parsed(written), _parsed(texts)))
    if lost:
        return _complain("An event may only gain fields:", lost)
    if "--check" in arguments:
        stale = sorted(name for name in texts if written.get(name) != texts[name])
        return _complain("Run make events; these are stale:", stale) if stale else 0
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}{SUFFIX}").write_text(text)
    return 0


def _text(schema: Schema) -> str:
    return msgspec.json.format(msgspec.json.encode(schema), indent=2).decode() + "\n"


def _parsed(texts: dict[str, str]) -> dict[str, Schema]:
    return {name: msgspec.json.decode(text) for name, text in texts.items()}


def _complain(what: str, lines: list[str]) -> int:
    sys.stderr.write("\n  ".join([what, *lines]) + "\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
