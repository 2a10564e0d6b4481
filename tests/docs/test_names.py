"""Whatever a document names is there: files, links, commands, targets, variables, routes, codes, metrics."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import PurePosixPath

import click
import pytest

from bootstrap.cli import main as lingualink
from deploy.__main__ import main as deploy
from infrastructure.metrics import Metrics
from support.documents import ROOT, Page, code, page, pages, tracked
from web.problems import STATUS_OF

PAGES = pages()
each_page = pytest.mark.parametrize("document", PAGES, ids=str)

THEIR_FILES = {"pylock.toml", "schema.sql"}  # of PEP 751; of the benchmark's peer
NOT_OURS = {".venv", ".local", "node_modules", "dist"}
"""What is made, not kept."""


def said(document: Page) -> Iterator[str]:
    """Spans, and the lines of blocks without their comments: where a name stands for the thing itself."""
    yield from document.spans
    for block in document.blocks:
        yield from (re.sub(r"(^|\s)(#|//).*", "", line) for line in block.text.splitlines())


# --- files and links


@each_page
def test_every_link_leads_somewhere(document: Page) -> None:
    assert [link for link in document.links if not _leads_somewhere(link, document)] == []


def _leads_somewhere(link: str, document: Page) -> bool:
    if link.startswith(("https://", "mailto:")):
        return True
    path, _, anchor = link.partition("#")
    target = (ROOT / document.name).parent / path if path else ROOT / document.name
    if not target.exists():
        return False
    name = str(target.resolve().relative_to(ROOT))
    return not anchor or anchor in page(name).anchors


@each_page
def test_every_file_is_there(document: Page) -> None:
    paths = [span for span in document.spans if _is_path(span)]

    assert [path for path in paths if not _is_there(path, document)] == []


_SUFFIXES = (
    ".py",
    ".md",
    ".ts",
    ".tsx",
    ".mjs",
    ".yml",
    ".toml",
    ".json",
    ".sql",
    ".txt",
    ".in",
    ".pem",
    ".sh",
)


def _is_path(span: str) -> bool:
    if not re.fullmatch(r"[\w.*{}-]+(/[\w.*{}-]*)*", span) or span.startswith("/"):
        return False
    first = span.split("/", 1)[0]
    in_a_folder = "/" in span and first in {name.split("/", 1)[0] for name in tracked()} | _rooms()
    return in_a_folder or span.endswith(_SUFFIXES)


@cache
def _rooms() -> frozenset[str]:
    return frozenset(name.split("/")[1] for name in tracked() if name.startswith("src/"))


def _is_there(path: str, document: Page) -> bool:
    if path.split("/", 1)[0] in NOT_OURS or path in THEIR_FILES:
        return True
    pattern = path.rstrip("/")
    beside = PurePosixPath(document.name).parent
    places = [pattern, f"src/{pattern}", str(beside / pattern), f"tests/{pattern}", f"scripts/{pattern}"]
    if "/" not in pattern:
        places.append(f"**/{pattern}")
    return any(
        fnmatch(f"/{name}" if place.startswith("**") else name, place) or name.startswith(f"{place}/")
        for place in places
        for name in tracked()
    )


# --- commands, targets, variables


@each_page
def test_every_command_and_option_is_there(document: Page) -> None:
    unknown = [
        line
        for line in said(document)
        for name, group in (("lingualink", lingualink), ("python -m deploy", deploy))
        for words in re.findall(rf"(?<![\w/@.-]){name} ([^;&|#`]+)", line)
        if not _is_command(group, words)
    ]
    assert unknown == []


def _is_command(group: click.Command, words: str) -> bool:
    command = group
    for word in words.replace("[", "").replace("]", "").replace("|", " ").split():
        if word.startswith("-"):
            known = {"-h", "--help", *(option for one in command.params for option in one.opts)}
            if word.partition("=")[0] not in known:
                return False
        elif isinstance(command, click.Group):
            if re.fullmatch(r"[a-z][a-z-]*", word) is None:
                return True  # an ellipsis or a word of a sentence's own
            found = command.commands.get(word)
            if found is None:
                return False
            command = found
    return True


MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE))


@each_page
def test_every_make_target_is_there(document: Page) -> None:
    assert [word for line in said(document) for word in _made(line) if word not in TARGETS] == []


def test_every_target_is_declared_and_the_nightly_ones_exist() -> None:
    phony = set(" ".join(re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)).split())
    nightly = re.search(r"for name in ([a-z -]+);", MAKEFILE)
    assert nightly is not None

    assert phony == TARGETS
    assert set(nightly[1].split()) <= TARGETS


def _made(line: str) -> Iterator[str]:
    for words in re.findall(r"(?<![\w/-])make((?: +(?:-s |\"\$TARGET\"|[\w=.…/\"-]+))+)", line):
        for word in re.sub(r'\S+="[^"]*"', "", words).split():
            if "=" not in word and not word.startswith(("-", '"$')):
                yield word


@each_page
def test_every_script_of_npm_is_there(document: Page) -> None:
    known = {
        script
        for name in tracked()
        if name.endswith("package.json")
        for script in json.loads((ROOT / name).read_text()).get("scripts", {})
    }
    assert {
        script for line in said(document) for script in re.findall(r"npm run (?:--\S+ )*([\w:-]+)", line)
    } <= known


@each_page
def test_every_variable_is_read_somewhere(document: Page) -> None:
    names = {
        name
        for line in said(document)
        for name in re.findall(r"(?<![\w$.])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b", line)
    }
    assert {name for name in names if not _in_code(name) and not _in_code(name.lower())} - THEIRS == set()


# --- what the service answers and counts


@cache
def _routes() -> frozenset[str]:
    document = json.loads((ROOT / "docs/openapi.json").read_text())
    documented = {
        f"{method.upper()} {re.sub('{[^}]*}', '{}', path)}"
        for path, methods in document["paths"].items()
        for method in methods
    }
    heads = {f"HEAD {route.removeprefix('GET ')}" for route in documented if route.startswith("GET ")}
    return frozenset(documented | heads | {"GET /metrics", "GET /schema", "GET /schema/openapi.json"})


FIRST_SEGMENTS = {route.split("/")[1] for route in _routes()}


@each_page
def test_every_route_is_there(document: Page) -> None:
    unknown = [
        f"{method} {path}"
        for line in said(document)
        for method, path in re.findall(r"\b(GET|POST|PUT|DELETE|PATCH|HEAD) (/[\w/{}.…*-]*)", line)
        if path.split("/")[1].rstrip("…*") in FIRST_SEGMENTS and not _is_route(method, path)
    ]
    assert unknown == []


def _is_route(method: str, path: str) -> bool:
    known = re.sub("{[^}]*}", "{}", path)
    if known.endswith(("…", "*")):
        start = f"{method} {known.rstrip('…*')}"
        return any(route.startswith(start) for route in _routes())
    return f"{method} {known.rstrip('.')}" in _routes()


@pytest.mark.parametrize("document", [one for one in PAGES if one.name != "devstack/FIDELITY.md"], ids=str)
def test_every_code_has_the_status_that_is_said(document: Page) -> None:
    wrong = [
        f"{status} {code_}"
        for status, codes in re.findall(
            r"\b([45]\d\d):? \(?((?:`[a-z]+(?:_[a-z]+)+`(?:, | or | and )?)+)", document.prose
        )
        for code_ in re.findall(r"[a-z_]+", codes.replace(" or ", " ").replace(" and ", " "))
        if STATUS_OF.get(code_) != int(status)
    ]
    assert wrong == []


@cache
def _labels() -> dict[str, frozenset[str]]:
    """The label names of each measure, by every name that a sample of it may have."""
    found = {}
    for collector, names in Metrics()._registry._collector_to_names.items():
        for name in names:
            found[name] = frozenset(getattr(collector, "_labelnames", ()))
    return found


NO_MEASURES = {"lingualink_api", "lingualink_migrations"}
RULES = "docs/prometheus.rules.yml"


def measures(text: str) -> Iterator[tuple[str, str]]:
    for name, labels in re.findall(r"\b(lingualink_[a-z0-9_]+)\b(?:\{([^}]*)\})?", text):
        if name not in NO_MEASURES:
            yield name, labels


@pytest.mark.parametrize("name", [*(str(one) for one in PAGES), RULES])
def test_every_measure_is_taken_with_those_labels(name: str) -> None:
    text = (ROOT / name).read_text() if name == RULES else "\n".join(said(page(name)))
    for measure, labels in measures(text):
        assert measure in _labels(), measure
        for label in filter(None, labels.split(",")):
            key, _, value = label.strip().partition("=")
            assert key.rstrip("!~") in _labels()[measure] | {"le"}, f"{measure}: {key}"
            value = value.strip('~"')
            assert not re.fullmatch(r"[a-z_]+", value) or f'"{value}"' in code(), f"{measure}: {value}"


# --- identifiers of any kind

THEIRS = {
    *("livenessProbe", "readinessProbe"),  # Kubernetes
    "publish_denied",  # ours, made of a word and the batch's outcome
    *("pg_restore", "containerOverrides"),  # PostgreSQL's; a field of ECS
    *("AppState", "stopTimeout"),  # React Native; a task definition of Amazon ECS
    *("mfa_amr_claims", "ServerState"),  # tables of Supabase Auth; a class of uvicorn
    *("UpdateService", "ListOperations", "DescribeService", "PassRole"),  # rights of AWS
    *("DescribeExpressGatewayService", "UpdateExpressGatewayService"),
    *("DescribeServiceDeployments", "ListServiceDeployments"),
}
"""Names that a document may use although nothing here does: they are somebody else's."""


@each_page
def test_every_identifier_is_in_the_code(document: Page) -> None:
    alarms = set(re.findall(r"alert: (\w+)", (ROOT / RULES).read_text()))
    names = {
        name
        for span in document.spans
        if not _is_path(span) and re.fullmatch(r"[A-Za-z]\w*(\.[A-Za-z_]\w*)*(\(\))?", span)
        for name in span.removesuffix("()").split(".")
        if "_" in name.strip("_") or re.search(r"[a-z][A-Z]", name)
    }
    unknown = {name for name in names if not _in_code(name) and not _in_code(name.lower())}
    assert unknown - alarms - THEIRS == set()


@cache
def _in_code(name: str) -> bool:
    """Whether it stands between characters that are no letters or digits: a regular expression takes a second."""
    text, end = code(), 0
    while (begin := text.find(name, end)) >= 0:
        end = begin + len(name)
        if not text[begin - 1 : begin].isalnum() and not text[end : end + 1].isalnum():
            return True
    return False
