"""What the documents of this repository say, taken apart: spans of code, blocks, links, headings and tables."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^ *```\s*$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"\[[^\]\[]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_MARK = re.compile(r"<!-- (run by|not run here:) ([^\n]+?) -->\s*\Z")


@dataclass(frozen=True)
class Block:
    """A fenced block, and what stands in a comment right before it about running it."""

    page: str
    number: int
    language: str
    text: str
    run_by: str | None
    why_not: str | None

    def __str__(self) -> str:
        return f"{self.page}, {self.language or 'text'} block {self.number}"


@dataclass(frozen=True)
class Page:
    """One document."""

    name: str
    text: str

    def __str__(self) -> str:
        return self.name

    @property
    def prose(self) -> str:
        """All but the fenced blocks."""
        return _FENCE.sub("", self.text)

    @property
    def spans(self) -> list[str]:
        """What stands in backticks outside of blocks; a pipe that a table needs escaped is one again."""
        return [span.replace("\\|", "|") for span in _SPAN.findall(self.prose)]

    @property
    def links(self) -> list[str]:
        return _LINK.findall(self.prose)

    @property
    def anchors(self) -> set[str]:
        """The names of its headings, as GitHub makes them."""
        return {
            re.sub(r"[^\w\- ]", "", _LINK.sub("", heading).lower().replace("`", "")).replace(" ", "-")
            for heading in _HEADING.findall(self.prose)
        }

    @property
    def blocks(self) -> Iterator[Block]:
        for number, found in enumerate(_FENCE.finditer(self.text), 1):
            mark = _MARK.search(self.text[: found.start()])
            said = (mark[1], mark[2]) if mark else ("", "")
            indent = len(found[1])
            yield Block(
                page=self.name,
                number=number,
                language=found[2],
                text="".join(line[indent:] for line in found[3].splitlines(keepends=True)),
                run_by=said[1] if said[0] == "run by" else None,
                why_not=said[1] if said[0] == "not run here:" else None,
            )

    @property
    def tables(self) -> Iterator[list[list[str]]]:
        """Each table's rows without its head, cell by cell."""
        for table in re.findall(r"(?:^\|.*\|[ \t]*\n)+", self.prose, re.MULTILINE):
            rows = [re.split(r"(?<!\\)\|", row.strip().strip("|")) for row in table.splitlines()]
            yield [[cell.strip() for cell in row] for row in rows[2:]]


@cache
def tracked() -> frozenset[str]:
    """Every file of the repository, as git knows it or would."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return frozenset(name for name in listed.stdout.splitlines() if (ROOT / name).is_file())


@cache
def pages() -> tuple[Page, ...]:
    """Everything written for people."""
    names = sorted(name for name in tracked() if name.endswith(".md"))
    return tuple(Page(name, (ROOT / name).read_text()) for name in names)


def page(name: str) -> Page:
    return next(one for one in pages() if one.name == name)


@cache
def code() -> str:
    """All that is no document, in one text: what a document names must be found in it."""
    texts = []
    for name in sorted(tracked()):
        if name.startswith(("tests/docs/", "docs/", "requirements/")) or name == ".env.example":
            continue
        if name.endswith((".md", ".png", "package-lock.json", "dist/app.js")):
            continue
        texts.append((ROOT / name).read_text(errors="ignore"))
    return "\n".join(texts)
